import { Type, type Static } from 'typebox'
import { Value } from 'typebox/value'
import { CommandError } from '../client.ts'
import { isRecord, type ComposeFile } from './compose-file.ts'

const Text = Type.Union([Type.String(), Type.Number(), Type.Boolean()])
const Words = Type.Union([Type.String(), Type.Array(Text)])
const Pairs = Type.Union([
  Type.Array(Type.String()),
  Type.Record(Type.String(), Type.Union([Text, Type.Null()])),
])
export type Words = Static<typeof Words>
export type Pairs = Static<typeof Pairs>

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
export type ServiceBody = Static<typeof ServiceBody>

const topMembers = ['name', 'version', 'services']
/** What a dependency may say: the last two only as what is done in any case. */
const dependencyMembers: Readonly<Record<string, (value: unknown) => boolean>> = {
  condition: () => true,
  required: (value) => value === true,
  restart: (value) => value === false,
}

/** Names all that is not understood, at once. Throws `CommandError`. */
export function refuseUnknown(
  { file, document }: ComposeFile,
  bodies: Readonly<Record<string, unknown>>,
): void {
  const unknown = [
    ...Object.keys(document).filter((name) => !topMembers.includes(name) && !isExtension(name)),
    ...Object.entries(bodies).flatMap(([service, body]) =>
      unknownOf(body).map((name) => `services.${service}.${name}`),
    ),
  ]
  if (unknown.length === 0) return
  throw new CommandError(
    `${file}: ${unknown.join(', ')} cannot be done here: take out what is not needed. There are images and no builds, folders and no named volumes, one network, and no health checks; what is understood is in docs/nodes.md`,
  )
}

function isExtension(name: string): boolean {
  return name.startsWith('x-')
}

function unknownOf(body: unknown): string[] {
  if (!isRecord(body)) return []
  const { depends_on: dependencies } = body
  return [
    ...Object.keys(body).filter((name) => !(name in members) && !isExtension(name)),
    ...Object.entries(isRecord(dependencies) ? dependencies : {}).flatMap(([other, said]) =>
      Object.entries(isRecord(said) ? said : {})
        .filter(([name, value]) => dependencyMembers[name]?.(value) !== true)
        .map(([name]) => `depends_on.${other}.${name}`),
    ),
  ]
}

/** Throws `CommandError` that says what is wrong where. */
export function checkBody(at: string, body: unknown): ServiceBody {
  if (Value.Check(ServiceBody, body)) return body
  const [first] = Value.Errors(ServiceBody, body)
  throw new CommandError(
    first ? `${at}${first.instancePath.replaceAll('/', '.')}: ${first.message}` : `${at} is not understood`,
  )
}
