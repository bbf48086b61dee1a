import { JsonError, parseStrictJson } from '../../kernel/json.ts'
import { isTable } from './containerd-config.ts'

/** A requirement of containers-policy.json(5), as it stands there. */
export type AnyRequirement = Readonly<Record<string, unknown>>

/** What a policy file asks, by scope of the transport `docker`; `""` is that of the whole transport. */
export interface ContainersPolicy {
  readonly default: readonly AnyRequirement[]
  readonly docker: ReadonlyMap<string, readonly AnyRequirement[]>
}

/** Reads a policy file. Throws `JsonError` where containers/image would refuse it. */
export function readContainersPolicy(text: string): ContainersPolicy {
  const document = parseStrictJson(text)
  if (!isTable(document)) throw new JsonError('not an object')
  const transports = isTable(document['transports']) ? document['transports'] : {}
  const docker = isTable(transports['docker']) ? transports['docker'] : {}
  return {
    default: requirements(document['default']),
    docker: new Map(Object.entries(docker).map(([scope, value]) => [scope, requirements(value)])),
  }
}

/** What is asked of `host/repository`: the longest scope that fits, then the transport, then the default. */
export function lookUp(policy: ContainersPolicy, scope: string): readonly AnyRequirement[] {
  const parts = scope.split('/')
  for (let count = parts.length; count > 0; count--) {
    const found = policy.docker.get(parts.slice(0, count).join('/'))
    if (found) return found
  }
  const host = (parts[0] as string).replace(/:\d+$/, '').split('.')
  for (let skipped = 1; skipped < host.length; skipped++) {
    const found = policy.docker.get(`*.${host.slice(skipped).join('.')}`)
    if (found) return found
  }
  return policy.docker.get('') ?? policy.default
}

/** Whether whatever the first accepts, the second accepts too: all that the second asks, the first asks. */
export function isAtLeastAsStrict(
  strict: readonly AnyRequirement[],
  other: readonly AnyRequirement[],
): boolean {
  if (strict.some(({ type }) => type === 'reject')) return true
  const texts = strict.map(toText)
  return other.every((one) => one['type'] === 'insecureAcceptAnything' || texts.includes(toText(one)))
}

/** Whether an image without any signature is accepted. */
export function acceptsAnything(asked: readonly AnyRequirement[]): boolean {
  return asked.every(({ type }) => type === 'insecureAcceptAnything')
}

function requirements(value: unknown): AnyRequirement[] {
  if (!Array.isArray(value) || value.length === 0 || !value.every(isTable)) {
    throw new JsonError('a list of requirements is empty or none')
  }
  return value
}

function toText(value: unknown): string {
  if (!isTable(value)) return JSON.stringify(value)
  const sorted = Object.keys(value).toSorted()
  return `{${sorted.map((key) => `${JSON.stringify(key)}:${toText(value[key])}`).join(',')}}`
}
