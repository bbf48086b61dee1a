import { execFile, spawn } from 'node:child_process'
import { join } from 'node:path'
import { CriFailure } from '../cri/failures.ts'
import { userNamespace } from '../rootless/user-namespace.ts'
import { readFeatures } from '../runtimes/read-version.ts'
import type { CgroupMode } from './cgroups.ts'
import type { EngineRuntime, PodRecord } from './types.ts'

const commandMs = 30_000
const maximumOutput = 16 * 1024 * 1024

/** A command line: the program and what it is given. */
export interface CommandLine {
  readonly program: string
  readonly arguments: readonly string[]
}

/** Runs crun where the kernel mixes both versions of control groups, which it does not want to see. */
const withoutOldGroups = [
  'unshare',
  '--mount',
  '--propagation',
  'private',
  'sh',
  '-c',
  'umount --lazy /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup && exec "$@"',
  'sh',
]

/** The commands of one low-level runtime, with its own state in a folder. */
export class LowLevelRuntime {
  readonly handler: string
  readonly kind: EngineRuntime['kind']
  /** Whether it has control groups on this machine, so that limits of memory and processor hold. */
  readonly hasLimits: boolean
  readonly #program: string
  readonly #root: string
  readonly #isWrapped: boolean
  readonly #mode: CgroupMode
  #features: Promise<readonly string[]> | undefined

  constructor({ handler, kind, program }: EngineRuntime, runFolder: string, mode: CgroupMode) {
    this.handler = handler
    this.kind = kind
    this.#program = program
    this.#root = join(runFolder, 'runtimes', handler)
    this.#mode = mode
    this.#isWrapped = kind === 'crun' && mode === 'hybrid'
    this.hasLimits = mode !== 'none' && !this.#isWrapped
  }

  /** The command line of a command, with the options that this machine and the pod need. */
  commandLine(pod: Pick<PodRecord, 'network'>, log: string | undefined, ...command: string[]): CommandLine {
    const own = [
      '--root',
      this.#root,
      ...(log === undefined || this.kind === 'kata' ? [] : ['--log', log]),
      ...(log === undefined || this.kind !== 'runc' ? [] : ['--log-format', 'json']),
      ...this.#options(pod),
      ...command,
    ]
    const [first = '', ...rest] = this.#isWrapped
      ? [...withoutOldGroups, this.#program, ...own]
      : [this.#program, ...own]
    return { program: first, arguments: rest }
  }

  /** Whether it says so of itself (runtime-spec, "Features Structure"); what says nothing has none. */
  async hasFeature(name: string): Promise<boolean> {
    this.#features ??= this.#run({ network: 'none' }, 'features').then(({ said }) => readFeatures(said) ?? [])
    return (await this.#features).includes(name)
  }

  /** Sends a signal to the container's first process, or to all of its processes. */
  async kill(pod: Pick<PodRecord, 'network'>, id: string, signal: string, all = false): Promise<void> {
    // Without control groups runc finds no processes; with the first one the kernel ends the others of its namespace.
    const canAll = this.kind !== 'crun' && this.#mode !== 'none'
    const command = ['kill', ...(all && canAll ? ['--all'] : []), id, signal]
    const { code, said } = await this.#run(pod, ...command)
    if (code === 0 || isGone(said)) return
    throw new CriFailure('INTERNAL', `${this.#program} cannot send ${signal} to ${id}: ${said}`)
  }

  /** Takes away what the runtime keeps of a container, with all of its processes. */
  async remove(pod: Pick<PodRecord, 'network'>, id: string): Promise<void> {
    const { code, said } = await this.#run(pod, 'delete', '--force', id)
    if (code === 0 || isGone(said)) return
    throw new CriFailure('INTERNAL', `${this.#program} cannot remove ${id}: ${said}`)
  }

  async update(pod: Pick<PodRecord, 'network'>, id: string, resources: object): Promise<void> {
    const { program, arguments: argv } = this.commandLine(pod, undefined, 'update', '--resources', '-', id)
    const child = spawn(program, [...argv], { stdio: ['pipe', 'ignore', 'pipe'], timeout: commandMs })
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-2_000)))
    child.stdin.end(JSON.stringify(resources))
    const code = await new Promise<number | null>((resolve) => {
      child.once('error', () => resolve(-1))
      child.once('close', resolve)
    })
    if (code !== 0)
      throw new CriFailure('INTERNAL', `${this.#program} cannot change the limits of ${id}: ${said.trim()}`)
  }

  #options({ network }: Pick<PodRecord, 'network'>): string[] {
    if (this.kind === 'runsc') {
      // The platform is gVisor's own choice: a /dev/kvm that is there may still hang a sandbox.
      const networks = { none: 'none', cni: 'sandbox', node: 'host', user: 'host' } as const
      const isRootless = userNamespace() !== undefined
      return [
        `--network=${networks[network]}`,
        ...(this.#mode === 'none' ? ['--ignore-cgroups'] : []),
        ...(isRootless ? ['--rootless'] : []),
      ]
    }
    if (this.#isWrapped || (this.kind === 'crun' && this.#mode === 'none'))
      return ['--cgroup-manager=disabled']
    return []
  }

  #run(pod: Pick<PodRecord, 'network'>, ...command: string[]): Promise<{ code: number; said: string }> {
    const { program, arguments: argv } = this.commandLine(pod, undefined, ...command)
    return new Promise((resolve) => {
      execFile(
        program,
        [...argv],
        { timeout: commandMs, maxBuffer: maximumOutput },
        (error, stdout, stderr) => {
          if (!error) return resolve({ code: 0, said: stdout })
          const missing = error.code === ('ENOENT' as unknown) ? `there is no ${program}; install it` : ''
          resolve({ code: 1, said: missing || stderr.trim() || error.message })
        },
      )
    })
  }
}

/** Each of them says it in words of its own. */
function isGone(said: string): boolean {
  return /does not exist|not found|no such process|already finished|not running|no such file|is stopped/i.test(
    said,
  )
}
