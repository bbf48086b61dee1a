import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { containerConfig, podConfig, type RunOptions } from '../containers/run-options.ts'
import { CommandError } from '../client.ts'
import { isRecord, nameOf, readComposeFile, type ComposeFile, type NameOptions } from './compose-file.ts'
import { interpolate } from './interpolate.ts'
import { checkBody, refuseUnknown, type Pairs, type ServiceBody, type Words } from './service-body.ts'

const maximumServices = 100
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/** One service of a project, as a container of `pratique run`. */
export interface Service {
  readonly name: string
  readonly image: string
  readonly command: readonly string[]
  readonly options: RunOptions
  /** Services that have to be there before it; `true`: that have to have ended well. */
  readonly dependsOn: ReadonlyMap<string, boolean>
}

export interface Project {
  readonly name: string
  /** Each after those that it depends on. */
  readonly services: readonly Service[]
}

export interface ReadOptions extends NameOptions {
  readonly network: RunOptions['network']
  readonly pull: RunOptions['pull']
}

/**
 * Reads a compose file. What it does not understand it names, all at once, as leaving it out would start something
 * else than was asked for. Throws `CommandError`.
 */
export function readProject(options: ReadOptions): Project {
  const asWritten = readComposeFile(options.file)
  const { file } = asWritten
  const name = nameOf(asWritten, options)
  const document = replaceAll(asWritten.document, options.environment) as ComposeFile['document']
  const { services: bodies } = document
  if (!isRecord(bodies) || Object.keys(bodies).length === 0) throw new CommandError(`${file} has no services`)
  if (Object.keys(bodies).length > maximumServices)
    throw new CommandError(`${file} has more than ${maximumServices} services`)
  const read = { ...asWritten, document }
  refuseUnknown(read, bodies)
  const services = Object.entries(bodies).map(([service, body]) => readService(read, service, body, options))
  return { name, services: inOrder(services) }
}

/** In values only, as names of members are what they are. */
function replaceAll(value: unknown, environment: Readonly<Record<string, string | undefined>>): unknown {
  if (typeof value === 'string') return interpolate(value, environment)
  if (Array.isArray(value)) return value.map((one) => replaceAll(one, environment))
  if (!isRecord(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, replaceAll(one, environment)]))
}

function readService(
  { file, folder }: ComposeFile,
  name: string,
  given: unknown,
  defaults: ReadOptions,
): Service {
  const at = `${file}: services.${name}`
  if (!/^[a-z0-9]([a-z0-9.-]{0,29}[a-z0-9])?$/.test(name)) {
    throw new CommandError(`${at}: names of services have small letters, digits, - and . only`)
  }
  const body = checkBody(at, given)
  const entrypoint = wordsOf(at, 'entrypoint', body.entrypoint)
  const command = [...entrypoint.slice(1), ...wordsOf(at, 'command', body.command)]
  const options: RunOptions = {
    network: body.network_mode ?? defaults.network,
    pull: defaults.pull,
    env: [
      ...filesOf(body.env_file).flatMap((one) => readVariables(at, resolve(folder, one))),
      ...pairsOf(body.environment),
    ],
    volume: (body.volumes ?? []).map((one) => fromFolder(at, folder, one)),
    publish: (body.ports ?? []).map(String),
    label: pairsOf(body.labels),
    readOnly: body.read_only ?? false,
    privileged: body.privileged ?? false,
    capAdd: body.cap_add ?? [],
    capDrop: body.cap_drop ?? [],
    hostname: body.hostname ?? name,
    wasm: isWasm(at, body),
    ...textsOf(body),
    ...(entrypoint[0] === undefined ? {} : { entrypoint: entrypoint[0] }),
  }
  const service = { name, image: body.image, command, options, dependsOn: dependenciesOf(body) }
  checkService(at, service)
  return service
}

/** Finds what `pratique run` would refuse, before anything is pulled, and says of which service it is. */
function checkService(at: string, { name, image, command, options }: Service): void {
  try {
    podConfig(options, name, '')
    containerConfig(options, name, { ref: '', named: image }, command)
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    throw new CommandError(`${at}: ${error.message}`)
  }
}

/** Images are of this machine, or of Wasm, which is everywhere; no other can be run. */
function isWasm(at: string, { platform }: ServiceBody): boolean {
  if (platform === undefined) return false
  if (/^wasi(p1)?\/wasm(32)?$/.test(platform)) return true
  const own = `linux/${architectures[process.arch] ?? process.arch}`
  if (['linux', own, ...(process.arch === 'arm64' ? [`${own}/v8`] : [])].includes(platform)) return false
  throw new CommandError(`${at}.platform is ${own} on this machine, or wasi/wasm, and not ${platform}`)
}

function textsOf({ user, working_dir: workdir, mem_limit: memory, cpus, runtime, isolation }: ServiceBody) {
  return {
    ...(user === undefined ? {} : { user: String(user) }),
    ...(workdir === undefined ? {} : { workdir }),
    ...(memory === undefined ? {} : { memory: String(memory) }),
    ...(cpus === undefined ? {} : { cpus: String(cpus) }),
    ...(runtime === undefined ? {} : { handler: runtime }),
    ...(isolation === undefined ? {} : { isolation }),
  }
}

/** A list is taken as it is. In a text, words are between spaces; what a shell would have to read is refused. */
function wordsOf(at: string, member: string, given: Words | undefined): string[] {
  if (given === undefined) return []
  if (Array.isArray(given)) return given.map(String)
  if (/["'\\`]/.test(given)) {
    throw new CommandError(
      `${at}.${member}: write it as a list of words, as its quotes would have to be guessed`,
    )
  }
  return given.split(/\s+/).filter((word) => word !== '')
}

function pairsOf(given: Pairs | undefined): string[] {
  if (given === undefined) return []
  if (Array.isArray(given)) return given
  // A name without a value takes over what is here.
  return Object.entries(given).map(([name, value]) => (value === null ? name : `${name}=${String(value)}`))
}

function filesOf(given: string | readonly string[] | undefined): readonly string[] {
  return given === undefined ? [] : typeof given === 'string' ? [given] : given
}

function readVariables(at: string, file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'))
  } catch (error) {
    throw new CommandError(`${at}.env_file cannot be read: ${(error as Error).message}`)
  }
}

/** Relative to the file, wherever the command is called from. */
function fromFolder(at: string, folder: string, text: string): string {
  const [source = '', ...rest] = text.split(':')
  if (rest.length === 0 || !/^(\/|\.{1,2}(\/|$)|~\/)/.test(source)) {
    throw new CommandError(
      `${at}.volumes takes ./folder:/path[:ro], not ${JSON.stringify(text)}: there are no named volumes`,
    )
  }
  const place = source.startsWith('~/') ? join(process.env['HOME'] ?? '/', source.slice(2)) : source
  return [resolve(folder, place), ...rest].join(':')
}

function dependenciesOf({ depends_on: given }: ServiceBody): Map<string, boolean> {
  if (given === undefined) return new Map()
  if (Array.isArray(given)) return new Map(given.map((name) => [name, false]))
  return new Map(
    Object.entries(given).map(([name, { condition }]) => [
      name,
      condition === 'service_completed_successfully',
    ]),
  )
}

/** Each after those that it depends on, else as they are in the file. Throws `CommandError` for a circle. */
function inOrder(services: readonly Service[]): Service[] {
  const named = new Map(services.map((one) => [one.name, one]))
  const ordered = new Set<Service>()
  const take = (service: Service, path: readonly string[]): void => {
    if (ordered.has(service)) return
    if (path.includes(service.name)) {
      throw new CommandError(`services wait for each other: ${[...path, service.name].join(', ')}`)
    }
    for (const name of service.dependsOn.keys()) {
      const other = named.get(name)
      if (!other) throw new CommandError(`services.${service.name} depends on ${name}, which is no service`)
      take(other, [...path, service.name])
    }
    ordered.add(service)
  }
  for (const service of services) take(service, [])
  return [...ordered]
}
