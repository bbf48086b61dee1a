import type { ExportOptions, ExportResult, RuntimeExport, RuntimeTrust } from '../../types.ts'
import { prefixTree } from '../prefix-tree.ts'
import type { Requirement } from './requirement.ts'
import { accept, reject, requirementsOf } from './scope-requirements.ts'
import { exportFormats } from '../../wire.ts'

/** containers-policy.json(5). */
export interface PolicyJson {
  readonly default: readonly Requirement[]
  readonly transports: { readonly docker: Readonly<Record<string, readonly Requirement[]>> }
}

/** The policy and the lookup of signatures for everything that is built on containers/image. */
export const containers: RuntimeExport = {
  name: 'containers',
  help: exportFormats.containers,
  write(trust, options) {
    const { policy, notes } = policyJson(trust, options)
    return {
      files: [{ path: 'etc/containers/policy.json', content: toJson(policy) }, ...registryFiles(trust)],
      notes: [...generalNotes(trust, options, policy), ...notes],
    }
  },
}

/** The policy of a node as containers/image reads it. */
export function policyJson(
  trust: RuntimeTrust,
  options: ExportOptions,
): { readonly policy: PolicyJson; readonly notes: readonly string[] } {
  const everywhere = trust.scopes.filter(({ namespace }) => namespace === undefined)
  const nodes = prefixTree(everywhere).map((node) => ({
    scope: scopeName(trust.registry, node.prefix),
    ...requirementsOf(trust, options, node),
  }))
  return {
    policy: {
      default: [options.others === 'accept' ? accept : reject],
      transports: {
        docker: Object.fromEntries(nodes.map(({ scope, requirements }) => [scope, requirements])),
      },
    },
    notes: [...new Set(nodes.flatMap(({ notes }) => notes)), ...stageNotes(trust)],
  }
}

export function scopeName(registry: string, prefix: string): string {
  return prefix === '' ? registry : `${registry}/${prefix}`
}

export function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

/** containers-registries.d(5): without it signatures are not even looked for, and every signed image is refused. */
export function registryFiles({ registry, insecure }: RuntimeTrust): ExportResult['files'] {
  const name = registry.replaceAll(/[^A-Za-z0-9.-]/g, '_')
  const attachments = `docker:\n  ${JSON.stringify(registry)}:\n    use-sigstore-attachments: true\n`
  return [
    { path: `etc/containers/registries.d/${name}.yaml`, content: attachments },
    ...(insecure
      ? [
          {
            path: `etc/containers/registries.conf.d/${name}.conf`,
            content: `[[registry]]\nlocation = ${JSON.stringify(registry)}\ninsecure = true\n`,
          },
        ]
      : []),
  ]
}

export function generalNotes(
  { registry, expiresAt }: RuntimeTrust,
  { others }: ExportOptions,
  policy: PolicyJson,
): string[] {
  const asked = Object.values(policy.transports.docker).flat()
  return [
    others === 'reject'
      ? `ONLY images of ${registry} are accepted: nothing from elsewhere, no pause image of another registry, nothing from archives, folders or local storage (--others accept accepts all of that unsigned)`
      : 'LOOSER: whatever does not come from this registry is accepted unsigned, as asked by --others accept',
    ...(asked.some(({ type }) => type === 'sigstoreSigned')
      ? [
          'signatures are read from the tag sha256-….sig only: what cosign 3 signs by default (a bundle) is not seen; pratique sign and promotion write both',
          'an index and each of its platforms have to be signed: the platform is what is verified; pratique sign and promotion do both',
          "Debian bookworm's podman, buildah and skopeo are built without sigstore, and refuse every image here",
        ]
      : []),
    ...(asked.some(({ type }) => type === 'signedBy')
      ? [
          'OpenPGP signatures are read from the registry itself; a lookaside store that is configured for it is not asked',
        ]
      : []),
    ...(asked.some((one) => 'fulcio' in one)
      ? [
          'certificate transparency and the validity of authorities and logs are not checked for keyless signatures',
        ]
      : []),
    `signers and policy are those of now: export again after every change, at the latest on ${new Date(expiresAt).toISOString().slice(0, 10)}`,
  ]
}

function stageNotes({ scopes }: RuntimeTrust): string[] {
  return scopes
    .filter(({ isStageName }) => isStageName)
    .map(
      ({ repositories: name }) =>
        `${name}: a repository with this bare name would be asked what ${name}/** is asked, as the runtime cannot tell them apart; there is none now, and there should be none`,
    )
}
