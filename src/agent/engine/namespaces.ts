import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CriFailure } from '../cri/failures.ts'
import { isAlive, readHolder } from './holder.ts'

const run = promisify(execFile)

/** NSFS_MAGIC (statfs(2)). */
const nsfs = 0x6e_73_66_73

const kinds = ['net', 'ipc', 'uts'] as const
export type NamespaceKind = (typeof kinds)[number]

/**
 * Starts the first process of a namespace and writes down which it is. It takes in what others leave behind, and as
 * it does not want to know how that ends, the kernel keeps none of it (wait(2), "Notes"). Others are killed before it
 * when memory is short.
 */
const startFirst =
  'env --ignore-signal=CHLD sleep infinity </dev/null >/dev/null 2>&1 & ' +
  'set -- "$1" $(cat "/proc/$!/stat"); echo "{\\"pid\\":$2,\\"startTime\\":\\"${23}\\"}" >"$1"; echo -998 >"/proc/$2/oom_score_adj"; exit 0'

/**
 * Namespaces of pods, each kept by a mount of its file, so that no process has to hold them: there is no pause
 * container (namespaces(7), "The /proc/pid/ns/ directory"). Only processes that containers share are in a namespace
 * that needs one.
 */
export class PodNamespaces {
  readonly #folder: string
  /** Of pods whose process namespace is being made. */
  readonly #making = new Map<string, Promise<void>>()

  constructor(folder: string) {
    this.#folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o711 })
  }

  path(podId: string, kind: NamespaceKind | 'pid'): string {
    return join(this.#folder, podId, kind)
  }

  /** Makes them, with the loopback device up. */
  async make(podId: string, wanted: readonly NamespaceKind[]): Promise<void> {
    const folder = join(this.#folder, podId)
    mkdirSync(folder, { recursive: true, mode: 0o711 })
    if (wanted.length === 0) return
    for (const kind of wanted) writeFileSync(join(folder, kind), '')
    const flags = wanted.map((kind) => `--${kind}=${join(folder, kind)}`)
    const inside = wanted.includes('net') ? ['ip', 'link', 'set', 'lo', 'up'] : ['true']
    try {
      await run('unshare', [...flags, ...inside])
    } catch (error) {
      await this.remove(podId)
      throw new CriFailure(
        'FAILED_PRECONDITION',
        `the namespaces of a pod cannot be made: ${(error as Error).message.trim()}; unshare (util-linux) and ip (iproute2) are needed`,
      )
    }
  }

  /**
   * The process namespace of a pod, which is made when the first container needs it. It ends with its first process
   * (pid_namespaces(7)). Throws FAILED_PRECONDITION when that has ended.
   */
  async processes(podId: string): Promise<string> {
    const making = this.#making.get(podId) ?? this.#makeProcesses(podId)
    this.#making.set(podId, making)
    await making.finally(() => this.#making.delete(podId))
    if (!this.hasEnded(podId)) return this.path(podId, 'pid')
    throw new CriFailure(
      'FAILED_PRECONDITION',
      'the process that held the processes of this pod was killed; make the pod anew',
    )
  }

  /** The first process of what containers share was killed, and with it all others: nothing more runs in this pod. */
  hasEnded(podId: string): boolean {
    const first = readHolder(this.#firstFile(podId))
    return first !== undefined && !isAlive(first)
  }

  async #makeProcesses(podId: string): Promise<void> {
    const file = this.path(podId, 'pid')
    if (isNamespace(file)) return
    // Of one whose making was cut off.
    this.#endProcesses(podId)
    try {
      await run('unshare', ['--pid', 'sh', '-c', startFirst, 'sh', this.#firstFile(podId)])
      const first = readHolder(this.#firstFile(podId))
      if (!first || !isAlive(first)) throw new Error('its first process did not stay')
      writeFileSync(file, '')
      await run('mount', ['--bind', `/proc/${first.pid}/ns/pid`, file])
    } catch (error) {
      this.#endProcesses(podId)
      rmSync(file, { force: true })
      throw new CriFailure(
        'FAILED_PRECONDITION',
        `a process namespace for the pod cannot be made: ${(error as Error).message.trim()}; unshare (util-linux) and env --ignore-signal (coreutils) are needed`,
      )
    }
  }

  #firstFile(podId: string): string {
    return join(this.#folder, podId, 'first-process')
  }

  /** With the first process, the kernel ends all others of the namespace. */
  #endProcesses(podId: string): void {
    const first = readHolder(this.#firstFile(podId))
    if (first && isAlive(first)) process.kill(first.pid, 'SIGKILL')
  }

  async remove(podId: string): Promise<void> {
    this.#endProcesses(podId)
    const folder = join(this.#folder, podId)
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .flatMap((line) => line.split(' ', 5)[4] ?? [])
    for (const mount of mounts.filter((one) => one.startsWith(`${folder}/`))) {
      await run('umount', ['--lazy', mount]).catch(() => {})
    }
    rmSync(folder, { recursive: true, force: true })
  }
}

function isNamespace(file: string): boolean {
  return existsSync(file) && statfsSync(file).type === nsfs
}
