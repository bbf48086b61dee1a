import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { ContainerConfig } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'
import { placesOf } from '../engine/engine-parts.ts'
import type { ContainerKind } from '../engine/held-containers.ts'
import { withImageVolumes } from '../engine/image-volumes.ts'
import { isAlive } from '../engine/holder.ts'
import type { ContainerRecord, PodRecord } from '../engine/types.ts'
import { findModule, type FoundModule } from './find-module.ts'
import { moduleCommand } from './module-command.ts'
import { openFolders } from './open-folders.ts'
import { ownAccount, refuseAccount } from './refuse-account.ts'
import type { ModuleJob, WasmParts, WasmProgram } from './types.ts'

/** A pod that says so has its modules killed after so many seconds. */
const timeoutAnnotation = 'pratique.dev/wasm-timeout'

/** Modules as containers: each is a process that does nothing else. */
export function wasmContainers(parts: WasmParts): ContainerKind {
  const jobFile = (id: string): string => join(placesOf(parts, id).bundle, 'module.json')
  return {
    async prepare({ id, pod, config, image, bundle }, context) {
      const program = getProgram(parts, pod)
      timeoutOf(pod)
      const { Entrypoint, Cmd, User } = image.config.config ?? {}
      const security = config.linux?.securityContext
      refuseAccount(security, User ?? '', ownAccount())
      const command = config.command.length > 0 ? config.command : (Entrypoint ?? [])
      const found = await findModule(parts, image, [...command, ...(Cmd ?? [])], id, context)
      if (found.isComponent && program.kind === 'node') throw noComponents(found.name)
      const given = config.args.length > 0 ? config.args : config.command.length > 0 ? [] : (Cmd ?? [])
      const isReadOnly = found.root !== undefined && (security?.readonlyRootfs ?? false)
      if (isReadOnly && program.kind !== 'node') throw noReadOnly(program)
      const { mounts } = await withImageVolumes(parts, id, config, context)
      const folders = await openFolders(mounts, found.root, bundle)
      const job: ModuleJob = {
        module: found.root === undefined ? linkTo(found, bundle) : found.file,
        // Of an artifact all is given to the module; of an image the entry point names it.
        arguments: [found.name, ...(found.root === undefined ? command : command.slice(1)), ...given],
        environment: environmentOf(image.config.config?.Env ?? [], config),
        folders,
        readOnly: isReadOnly && folders['/'] === found.root ? ['/'] : [],
        isComponent: found.isComponent,
      }
      writeFileSync(jobFile(id), JSON.stringify(job), { mode: 0o600 })
      return { stopSignal: 'TERM' }
    },
    command({ id, config }, pod) {
      const job = JSON.parse(readFileSync(jobFile(id), 'utf8')) as ModuleJob
      const asked = config.linux?.resources?.memoryLimitInBytes ?? 0
      return {
        ...moduleCommand(getProgram(parts, pod), {
          job,
          file: jobFile(id),
          memoryBytes: asked > 0 ? asked : parts.memoryBytes,
        }),
        // The module has an environment of its own; this is that of the program that runs it.
        environment: { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '' },
        timeoutMs: timeoutOf(pod),
        isDirect: true,
      }
    },
    async signal(record, signal) {
      kill(record, `SIG${signal}` as NodeJS.Signals)
    },
    reasonOf: () => undefined,
    async clean(record, isLost) {
      // What nobody holds any more is not to run on by itself.
      if (isLost) kill(record, 'SIGKILL')
    },
    async release() {
      // It was a process and its files.
    },
  }
}

/** By the name that it has: some programs tell a module the name of its file. */
function linkTo({ file, name }: FoundModule, bundle: string): string {
  const folder = join(bundle, 'module')
  mkdirSync(folder)
  const own = basename(name)
  const link = join(folder, /^\w[\w.+-]{0,200}$/.test(own) ? own : 'module.wasm')
  symlinkSync(file, link)
  return link
}

function noComponents(name: string): CriFailure {
  return new CriFailure(
    'FAILED_PRECONDITION',
    `${name} is a component (WASI preview 2), which Node's WASI cannot run; install wasmtime or wasmedge and name it as the handler, or build it as a module for wasm32-wasip1`,
  )
}

function noReadOnly({ handler }: WasmProgram): CriFailure {
  return new CriFailure(
    'FAILED_PRECONDITION',
    `${handler} cannot keep a module from writing to the files of its image, as readonlyRootfs asks; name wasm as the handler, or leave it out: the files are a copy of this container's own`,
  )
}

function getProgram({ programs }: WasmParts, { handler }: PodRecord): WasmProgram {
  const [first] = programs.values()
  const found = handler === '' ? first : programs.get(handler)
  if (found) return found
  throw new CriFailure(
    'NOT_FOUND',
    `there is no runtime ${handler} for Wasm; there are ${[...programs.keys()].join(', ')}`,
  )
}

/** Its process, and not another that has its number by now. */
function kill({ pid = 0, pidStartTime = '' }: ContainerRecord, signal: NodeJS.Signals): void {
  try {
    if (isAlive({ pid, startTime: pidStartTime })) process.kill(pid, signal)
  } catch {
    // It has ended.
  }
}

function environmentOf(ofImage: readonly string[], { envs }: ContainerConfig): Record<string, string> {
  const pairs = ofImage.map((one): [string, string] => {
    const at = one.indexOf('=')
    return at < 0 ? [one, ''] : [one.slice(0, at), one.slice(at + 1)]
  })
  return Object.fromEntries([...pairs, ...envs.map(({ key, value }) => [key, value.toString()])]) as Record<
    string,
    string
  >
}

function timeoutOf({ config }: PodRecord): number | undefined {
  const text = config.annotations[timeoutAnnotation]
  if (text === undefined) return undefined
  const seconds = Number(text)
  if (seconds > 0 && seconds <= 86_400 * 24) return seconds * 1_000
  throw new CriFailure(
    'INVALID_ARGUMENT',
    `the annotation ${timeoutAnnotation} takes seconds, not ${JSON.stringify(text.slice(0, 100))}`,
  )
}
