import type { Backend } from '../cri/backend.ts'
import type { RuntimeHandlerFeatures } from '../cri/cri-types.ts'
import { decode, encode } from '../cri/protocol.ts'

/** A handler as a CRI runtime describes it. */
export interface HandlerFacts {
  /** Empty: what it runs when a pod names none, where it tells no name for that. */
  readonly name: string
  readonly isDefault: boolean
  /** `io.containerd.runc.v2`. */
  readonly shim?: string
  /** The program that the shim calls, where it is told. */
  readonly program?: string
  readonly features: readonly string[]
}

export interface BackendFacts {
  readonly runtime: string
  readonly version: string
  readonly isReady: boolean
  readonly why: string
  readonly handlers: readonly HandlerFacts[]
  /** The image of its pause containers, where it is told. */
  readonly sandboxImage?: string
}

const askMs = 10_000

/**
 * What a CRI runtime says of itself. Handlers are told by newer ones in the answer itself (KEP-3857); containerd
 * tells its configuration in the verbose information, with programs and shims. Throws `CriFailure`.
 */
export async function readHandlers(backend: Backend): Promise<BackendFacts> {
  const context = { signal: AbortSignal.timeout(askMs) }
  const version = decode(
    'VersionResponse',
    await backend.call('Version', encode('VersionRequest', { version: '0.1.0' }), context),
  )
  const answer = await backend.call('Status', encode('StatusRequest', { verbose: true }), context)
  const { status, runtimeHandlers, info } = decode('StatusResponse', answer)
  const ready = status?.conditions.find(({ type }) => type === 'RuntimeReady')
  const config = readConfig(info['config'])
  const told = new Map(runtimeHandlers.map(({ name, features }) => [name, namesOf(features)]))
  const names = [...new Set([...config.runtimes.keys(), ...told.keys()])].filter((name) => name !== '')
  const handlers = names.map((name) => ({
    name,
    isDefault: name === config.defaultName,
    ...config.runtimes.get(name),
    features: told.get(name) ?? [],
  }))
  return {
    runtime: version.runtimeName,
    version: version.runtimeVersion,
    isReady: ready?.status === true,
    why: ready?.message ?? '',
    handlers: handlers.length > 0 ? handlers : [{ name: '', isDefault: true, features: told.get('') ?? [] }],
    ...(config.sandboxImage === undefined ? {} : { sandboxImage: config.sandboxImage }),
  }
}

function namesOf(features: RuntimeHandlerFeatures | null): string[] {
  return [
    ...(features?.recursiveReadOnlyMounts ? ['recursive-read-only-mounts'] : []),
    ...(features?.userNamespaces ? ['user-namespaces'] : []),
  ]
}

interface ContainerdConfig {
  readonly sandboxImage?: string
  readonly pinnedImages?: Readonly<Record<string, string>>
  readonly containerd?: {
    readonly defaultRuntimeName?: string
    readonly runtimes?: Readonly<
      Record<
        string,
        {
          readonly runtimeType?: string
          readonly runtimePath?: string
          readonly options?: { readonly BinaryName?: string } | null
        }
      >
    >
  }
}

/** containerd's; anything else tells nothing here. */
function readConfig(text: string | undefined) {
  const config = parse(text)
  const runtimes = Object.entries(config.containerd?.runtimes ?? {}).map(([name, runtime]) => {
    const program = runtime.options?.BinaryName || runtime.runtimePath
    return [
      name,
      { ...(runtime.runtimeType ? { shim: runtime.runtimeType } : {}), ...(program ? { program } : {}) },
    ] as const
  })
  return {
    defaultName: config.containerd?.defaultRuntimeName,
    runtimes: new Map(runtimes),
    sandboxImage: config.sandboxImage ?? config.pinnedImages?.['sandbox'],
  }
}

function parse(text: string | undefined): ContainerdConfig {
  try {
    return (JSON.parse(text ?? '{}') ?? {}) as ContainerdConfig
  } catch {
    return {}
  }
}
