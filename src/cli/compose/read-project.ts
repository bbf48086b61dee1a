import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { Type, type Static } from 'typebox'
import { Value } from 'typebox/value'
import { parse } from 'yaml'
import type { RunOptions } from '../containers/run-options.ts'
import { CommandError } from '../client.ts'
import { interpolate } from './interpolate.ts'

const maximumBytes = 1024 * 1024
const maximumServices = 100
const usualFiles = ['compose.yaml', 'compose.yml', 'docker-compose.yaml', 'docker-compose.yml']

const Text = Type.Union([Type.String(), Type.Number(), Type.Boolean()])
const Words = Type.Union([Type.String(), Type.Array(Text)])
const Pairs = Type.Union([
  Type.Array(Type.String()),
  Type.Record(Type.String(), Type.Union([Text, Type.Null()])),
])

/** What is understood of a service (Compose Specification, "Services top-level element"). */
const members = {
  image: Type.String({ minLength: 1 }),
  command: Type.Optional(Words),
  entrypoint: Type.Optional(Words),
  environment: Type.Optional(Pairs),
  env_file: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
  volumes: Type.Optional(Type.Array(Type.String())),
  ports: Type.Optional(Type.Array(Type.Union([Type.String(), Type.Number()]))),
  depends_on: Type.Optional(
    Type.Union([
      Type.Array(Type.String()),
      Type.Record(
        Type.String(),
        Type.Object({
          condition: Type.Optional(
            Type.Union([Type.Literal('service_started'), Type.Literal('service_completed_successfully')]),
          ),
        }),
      ),
    ]),
  ),
  user: Type.Optional(Text),
  working_dir: Type.Optional(Type.String()),
  hostname: Type.Optional(Type.String()),
  read_only: Type.Optional(Type.Boolean()),
  privileged: Type.Optional(Type.Boolean()),
  cap_add: Type.Optional(Type.Array(Type.String())),
  cap_drop: Type.Optional(Type.Array(Type.String())),
  mem_limit: Type.Optional(Text),
  cpus: Type.Optional(Text),
  labels: Type.Optional(Pairs),
  network_mode: Type.Optional(Type.Union([Type.Literal('host'), Type.Literal('none')])),
  platform: Type.Optional(Type.String()),
  /** A handler, as `pratique runtimes` names it. */
  runtime: Type.Optional(Type.String()),
  isolation: Type.Optional(Type.String()),
  restart: Type.Optional(Type.Literal('no')),
}
const ServiceBody = Type.Object(members)
type ServiceBody = Static<typeof ServiceBody>
const topMembers = ['name', 'version', 'services']

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

export interface ReadOptions {
  readonly file?: string | undefined
  readonly projectName?: string | undefined
  readonly network: RunOptions['network']
  readonly pull: RunOptions['pull']
  readonly environment: Readonly<Record<string, string | undefined>>
}

/**
 * Reads a compose file. What it does not understand it names, all at once, as leaving it out would start something
 * else than was asked for. Throws `CommandError`.
 */
export function readProject(options: ReadOptions): Project {
  const file = findFile(options.file)
  const folder = dirname(resolve(file))
  const document = parseFile(file, options.environment)
  const name = (options.projectName ?? stringOf(document['name']) ?? basename(folder)).toLowerCase()
  if (!/^[a-z0-9][a-z0-9-]{0,29}$/.test(name)) {
    throw new CommandError(
      `${JSON.stringify(name)} is no name of a project: give one of small letters, digits and - with --project-name`,
    )
  }
  const bodies = document['services']
  if (!isRecord(bodies) || Object.keys(bodies).length === 0) throw new CommandError(`${file} has no services`)
  if (Object.keys(bodies).length > maximumServices)
    throw new CommandError(`${file} has more than ${maximumServices} services`)
  refuseUnknown(file, document, bodies)
  const services = Object.entries(bodies).map(([service, body]) =>
    readService({ file, folder, name: service, body, options }),
  )
  return { name, services: inOrder(services) }
}

function findFile(wanted: string | undefined): string {
  if (wanted !== undefined) return wanted
  const found = usualFiles.find((one) => existsSync(one))
  if (found !== undefined) return found
  throw new CommandError(`there is no ${usualFiles[0]} in this folder: name a file with --file`)
}

function parseFile(
  file: string,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, unknown> {
  let document: unknown
  try {
    if (statSync(file).size > maximumBytes) throw new Error(`it has more than ${maximumBytes} bytes`)
    document = parse(readFileSync(file, 'utf8'), { maxAliasCount: 100 })
  } catch (error) {
    throw new CommandError(`${file} cannot be read: ${(error as Error).message}`)
  }
  if (!isRecord(document)) throw new CommandError(`${file} is no compose file`)
  return replaceAll(document, environment) as Record<string, unknown>
}

/** In values only, as names of members are what they are. */
function replaceAll(value: unknown, environment: Readonly<Record<string, string | undefined>>): unknown {
  if (typeof value === 'string') return interpolate(value, environment)
  if (Array.isArray(value)) return value.map((one) => replaceAll(one, environment))
  if (!isRecord(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, replaceAll(one, environment)]))
}

function refuseUnknown(
  file: string,
  document: Record<string, unknown>,
  bodies: Record<string, unknown>,
): void {
  const isExtension = (name: string): boolean => name.startsWith('x-')
  const unknown = [
    ...Object.keys(document).filter((name) => !topMembers.includes(name) && !isExtension(name)),
    ...Object.entries(bodies).flatMap(([service, body]) =>
      Object.keys(isRecord(body) ? body : {})
        .filter((name) => !(name in members) && !isExtension(name))
        .map((name) => `services.${service}.${name}`),
    ),
  ]
  if (unknown.length === 0) return
  throw new CommandError(
    `${file}: ${unknown.join(', ')} cannot be done here: take out what is not needed. There are images and no builds, folders and no named volumes, one network, and no health checks; what is understood is in docs/nodes.md`,
  )
}

interface ReadParts {
  readonly file: string
  readonly folder: string
  readonly name: string
  readonly body: unknown
  readonly options: ReadOptions
}

function readService({ file, folder, name, body, options }: ReadParts): Service {
  const at = `${file}: services.${name}`
  if (!/^[a-z0-9]([a-z0-9.-]{0,29}[a-z0-9])?$/.test(name)) {
    throw new CommandError(`${at}: names of services have small letters, digits, - and . only`)
  }
  if (!Value.Check(ServiceBody, body)) throw new CommandError(`${at}${explain(body)}`)
  if (body.network_mode !== undefined && body.ports)
    throw new CommandError(
      `${at}: ports are of pods with a network of their own, not of ${body.network_mode}`,
    )
  const entrypoint = wordsOf(at, 'entrypoint', body.entrypoint)
  const command = wordsOf(at, 'command', body.command)
  return {
    name,
    image: body.image,
    command: [...entrypoint.slice(1), ...command],
    options: {
      network: body.network_mode ?? options.network,
      pull: options.pull,
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
      wasm: body.platform?.startsWith('wasi/') ?? false,
      ...textsOf(body),
      ...(entrypoint[0] === undefined ? {} : { entrypoint: entrypoint[0] }),
    },
    dependsOn: dependenciesOf(body),
  }
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

function explain(body: unknown): string {
  const [first] = Value.Errors(ServiceBody, body)
  if (!first) return ' is not understood'
  return `${first.instancePath.replaceAll('/', '.')}: ${first.message}`
}

/** A list is taken as it is. In a text, words are between spaces; what a shell would have to read is refused. */
function wordsOf(at: string, member: string, given: Static<typeof Words> | undefined): string[] {
  if (given === undefined) return []
  if (Array.isArray(given)) return given.map(String)
  if (/["'\\`]/.test(given)) {
    throw new CommandError(
      `${at}.${member}: write it as a list of words, as its quotes would have to be guessed`,
    )
  }
  return given.split(/\s+/).filter((word) => word !== '')
}

function pairsOf(given: Static<typeof Pairs> | undefined): string[] {
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

function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
