import type { ExportOptions, ExportResult, RuntimeExport, RuntimeTrust } from '../types.ts'
import { coversPattern } from '../../policy/offline.ts'
import { RuntimeFailure } from '../failures.ts'
import {
  generalNotes,
  meetRequirements,
  policyJson,
  registryFiles,
  reject,
  scopeName,
  toJson,
  type PolicyJson,
  type Requirement,
} from './containers/index.ts'
import { literalPrefix } from './prefix-tree.ts'
import { exportFormats } from '../wire.ts'

/** CRI-O: as containers/image, and one policy for each namespace that has less. */
export const crio: RuntimeExport = {
  name: 'crio',
  help: exportFormats.crio,
  write(trust, options) {
    const { policy, notes } = policyJson(trust, options)
    const namespaces = namesOf(trust, options)
    const own = namespaces.map((name) => namespacePolicy(trust, options, policy, name))
    return {
      files: [
        { path: 'etc/containers/policy.json', content: toJson(policy) },
        { path: 'etc/crio/crio.conf.d/10-pratique.conf', content: settings },
        ...own.map(({ name, policy }) => ({
          path: `etc/crio/policies/${name}.json`,
          content: toJson(policy),
        })),
        ...registryFiles(trust),
      ],
      notes: [
        ...generalNotes(trust, options, policy),
        ...notes,
        'the file of a namespace replaces the global one: no one else may write to /etc/crio/policies; pratique doctor node looks at it',
        ...own.flatMap(({ notes }) => notes),
      ],
    }
  },
}

const settings = `[crio.image]
signature_policy = "/etc/containers/policy.json"
signature_policy_dir = "/etc/crio/policies"
`

function namesOf(trust: RuntimeTrust, { namespaces = [] }: ExportOptions): string[] {
  const names = [
    ...namespaces.map(({ name }) => name),
    ...trust.scopes.flatMap(({ namespace }) => (namespace === undefined ? [] : [namespace])),
  ]
  const wrong = names.find((name) => !/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name))
  if (wrong !== undefined) {
    throw new RuntimeFailure('EXPORT_INVALID', `${JSON.stringify(wrong)} is not the name of a namespace`)
  }
  return [...new Set(names)].toSorted()
}

/** The meet of the global policy with what the namespace is limited to, as the runtime reads only this file. */
function namespacePolicy(
  trust: RuntimeTrust,
  options: ExportOptions,
  global: PolicyJson,
  name: string,
): { readonly name: string; readonly policy: PolicyJson; readonly notes: ExportResult['notes'] } {
  const scoped = trust.scopes
    .filter(({ namespace }) => namespace === name)
    .map(({ repositories, signatures }) => ({ repositories, signatures }))
  // What the namespace's own scopes say nothing of, they leave as it is.
  const own = policyJson(
    { ...trust, scopes: [...scoped, { repositories: '**', signatures: undefined }] },
    options,
  )
  const limits = options.namespaces?.filter((limit) => limit.name === name) ?? []
  const allowed = limits.flatMap(({ repositories }) => repositories)
  const prefixes = [global, own.policy].flatMap(({ transports }) => Object.keys(transports.docker))
  const scopes = [
    ...new Set([...prefixes, ...allowed.map((one) => scopeName(trust.registry, literalPrefix(one)))]),
  ]
  const docker = scopes
    .toSorted()
    .map((scope): [string, Requirement[]] => [
      scope,
      meetRequirements([
        ...lookUp(global, scope),
        ...lookUp(own.policy, scope),
        ...(limits.length === 0 || isAllowed(trust.registry, scope, allowed) ? [] : [reject]),
      ]),
    ])
  return {
    name,
    policy: { default: global.default, transports: { docker: Object.fromEntries(docker) } },
    notes: [...own.notes]
      .filter((note) => scoped.length > 0 && !note.startsWith('**:'))
      .map((note) => `namespace ${name}: ${note}`),
  }
}

/** What a policy asks in a scope: of the longest prefix that is there. */
function lookUp({ transports }: PolicyJson, scope: string): readonly Requirement[] {
  const found = Object.keys(transports.docker)
    .filter((one) => scope === one || scope.startsWith(`${one}/`))
    .toSorted((left, right) => right.length - left.length)[0]
  return found === undefined ? [reject] : (transports.docker[found] as readonly Requirement[])
}

function isAllowed(registry: string, scope: string, allowed: readonly string[]): boolean {
  const prefix = scope.slice(registry.length + 1)
  const cone = prefix === '' ? '**' : `${prefix}/**`
  // A name without wildcards cannot be told from what lies below it.
  return allowed.some((pattern) => coversPattern(pattern.includes('*') ? pattern : `${pattern}/**`, cone))
}
