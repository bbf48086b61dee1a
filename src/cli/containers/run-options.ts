import { readFileSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import type { ContainerConfig, Loose, PodSandboxConfig } from '../../agent/serve.ts'
import { CommandError } from '../client.ts'
import { localNamespace } from './pod-logs.ts'
import { labels } from './use-agent.ts'

/** What `pratique run` takes. */
export interface RunOptions {
  readonly detach?: boolean
  readonly name?: string
  readonly env?: readonly string[]
  readonly envFile?: string
  readonly volume?: readonly string[]
  readonly publish?: readonly string[]
  readonly workdir?: string
  readonly user?: string
  readonly memory?: string
  readonly cpus?: string
  readonly readOnly?: boolean
  readonly capAdd?: readonly string[]
  readonly capDrop?: readonly string[]
  readonly privileged?: boolean
  readonly network: 'pod' | 'host' | 'none'
  readonly entrypoint?: string
  readonly handler?: string
  readonly isolation?: string
  readonly performance?: string
  readonly wasm?: boolean
  readonly rm?: boolean
  readonly interactive?: boolean
  readonly tty?: boolean
  readonly pull: 'missing' | 'always' | 'never'
  readonly label?: readonly string[]
  readonly hostname?: string
}

/** The pod of a container that is run by itself. Names come again, and a log is of one pod: it has its own folder. */
export function podConfig(options: RunOptions, name: string, logsFolder: string) {
  const uid = crypto.randomUUID()
  return {
    metadata: { name, uid, namespace: localNamespace },
    hostname: options.network === 'host' ? '' : (options.hostname ?? name),
    logDirectory: join(logsFolder, uid),
    labels: labelsOf(options, name),
    annotations: annotationsOf(options),
    portMappings: portsOf(options),
    linux: {
      securityContext: {
        privileged: options.privileged ?? false,
        ...(options.network === 'host' ? { namespaceOptions: { network: 'NODE' } } : {}),
      },
    },
  } satisfies Loose<PodSandboxConfig>
}

function portsOf({ publish = [], network, wasm }: RunOptions) {
  if (publish.length > 0 && (network !== 'pod' || wasm)) {
    const whose = wasm ? 'a Wasm module, which has no network' : `the network ${network}`
    throw new CommandError(
      `--publish is for pods with a network of their own, not for ${whose}: leave ${publish.join(', ')} out`,
    )
  }
  return publish.map(readPort)
}

/** What a pod says that it needs. */
export function annotationsOf(options: RunOptions): Record<string, string> {
  return {
    ...(options.isolation ? { 'pratique.dev/isolation': options.isolation } : {}),
    ...(options.performance ? { 'pratique.dev/performance': options.performance } : {}),
    ...(options.wasm ? { 'pratique.dev/wasm': 'true' } : {}),
    ...(options.network === 'none' ? { 'pratique.dev/network': 'none' } : {}),
  }
}

export function containerConfig(
  options: RunOptions,
  name: string,
  image: { readonly ref: string; readonly named: string },
  command: readonly string[],
): Loose<ContainerConfig> {
  return {
    metadata: { name },
    image: { image: image.ref, userSpecifiedImage: image.named },
    ...(options.entrypoint === undefined ? {} : { command: [options.entrypoint] }),
    args: command,
    workingDir: options.workdir ?? '',
    envs: environmentOf(options).map(([key, value]) => ({ key, value: Buffer.from(value) })),
    mounts: (options.volume ?? []).map(readVolume),
    labels: labelsOf(options, name),
    logPath: `${name}.log`,
    stdin: options.interactive ?? false,
    stdinOnce: options.interactive ?? false,
    tty: options.tty ?? false,
    linux: {
      resources: {
        memoryLimitInBytes: options.memory === undefined ? 0 : readSize(options.memory),
        ...(options.cpus === undefined ? {} : readCpus(options.cpus)),
      },
      securityContext: {
        privileged: options.privileged ?? false,
        readonlyRootfs: options.readOnly ?? false,
        capabilities: { addCapabilities: options.capAdd ?? [], dropCapabilities: options.capDrop ?? [] },
        ...(options.user === undefined ? {} : userOf(options.user)),
      },
    },
  }
}

function labelsOf({ label = [] }: RunOptions, name: string): Record<string, string> {
  const own = Object.fromEntries(label.map((text) => splitPair(text, '--label takes name=value')))
  return { ...own, [labels.local]: 'true', [labels.name]: name }
}

function environmentOf({ env = [], envFile }: RunOptions): [string, string][] {
  const fromFile = envFile === undefined ? [] : readEnvironmentFile(envFile)
  const found = new Map<string, string>()
  for (const text of [...fromFile, ...env]) {
    // A name alone takes over what is here; where there is nothing it has no value, which is not an empty one.
    const [name, value] = text.includes('=')
      ? splitPair(text, '--env takes NAME=value, or NAME to pass on')
      : [text, process.env[text]]
    if (value === undefined) found.delete(name)
    else found.set(name, value)
  }
  return [...found]
}

function readEnvironmentFile(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'))
  } catch (error) {
    throw new CommandError(`--env-file ${path} cannot be read: ${(error as Error).message}`)
  }
}

function splitPair(text: string, usage: string): [string, string] {
  const at = text.indexOf('=')
  if (at <= 0) throw new CommandError(`${usage}, not ${JSON.stringify(text)}`)
  return [text.slice(0, at), text.slice(at + 1)]
}

/** `host:container[:ro]`; a host path may be relative to this folder, but not a name. */
export function readVolume(text: string) {
  const [hostPath = '', containerPath = '', mode = 'rw', ...more] = text.split(':')
  const isPath = isAbsolute(hostPath) || /^\.{1,2}(\/|$)/.test(hostPath)
  if (!isPath || !isAbsolute(containerPath) || !['ro', 'rw'].includes(mode) || more.length > 0) {
    throw new CommandError(`--volume takes /host/path:/container/path[:ro], not ${JSON.stringify(text)}`)
  }
  return { hostPath: resolve(hostPath), containerPath, readonly: mode === 'ro' }
}

/** `[address:]host:container[/udp]`. */
export function readPort(text: string) {
  const [, address = '', host = '', container = '', protocol = 'tcp'] =
    /^(?:([0-9.]+):)?(\d{1,5}):(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(text) ?? []
  const [hostPort, containerPort] = [Number(host), Number(container)]
  const isPort = (port: number): boolean => port > 0 && port < 65_536
  if (!isPort(hostPort) || !isPort(containerPort)) {
    throw new CommandError(`--publish takes [address:]port:port[/udp], not ${JSON.stringify(text)}`)
  }
  return {
    hostIp: address,
    hostPort,
    containerPort,
    protocol: protocol.toUpperCase() as 'TCP' | 'UDP' | 'SCTP',
  }
}

/** `512m`, `2gb`: bytes, with units of 1024. */
export function readSize(text: string): number {
  const [, amount = '', unit = ''] = /^(\d+(?:\.\d+)?)(?:([kmg])b?|b)?$/i.exec(text) ?? []
  const bytes = Math.round(Number(amount) * 1024 ** 'bkmg'.indexOf(unit.toLowerCase() || 'b'))
  if (amount === '' || !Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new CommandError(`--memory takes a number with b, k, m or g, not ${JSON.stringify(text)}`)
  }
  return bytes
}

function readCpus(text: string) {
  const cpus = Number(text)
  if (!(cpus > 0 && cpus <= 10_000)) {
    throw new CommandError(`--cpus takes a number such as 0.5, not ${JSON.stringify(text)}`)
  }
  return { cpuPeriod: 100_000, cpuQuota: Math.round(cpus * 100_000) }
}

function userOf(text: string) {
  const [user = '', group] = text.split(':')
  const isNumber = (one: string): boolean => /^\d{1,10}$/.test(one)
  if (group !== undefined && !isNumber(group)) throw new CommandError('--user takes a group as a number only')
  return {
    ...(isNumber(user) ? { runAsUser: { value: Number(user) } } : { runAsUsername: user }),
    ...(group === undefined ? {} : { runAsGroup: { value: Number(group) } }),
  }
}
