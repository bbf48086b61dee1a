import type { SignaturePolicy } from '../../../policy/offline.ts'
import type { RuntimeTrust } from '../../types.ts'

/** containers-policy.json(5), `signedIdentity`: which name a signature has to give the image. */
export type SignedIdentity =
  | { readonly type: 'matchRepository' | 'matchExact' }
  | { readonly type: 'exactRepository'; readonly dockerRepository: string }
  | { readonly type: 'remapIdentity'; readonly prefix: string; readonly signedPrefix: string }

export interface BoundIdentity {
  readonly identity: SignedIdentity
  readonly notes: readonly string[]
}

/**
 * The identity for a prefix. Every signature of these forms names a repository, so `none` cannot be said and becomes
 * the next stricter. What is mirrored is signed under the name that it has where it comes from.
 */
export function identityFor(
  { registry, names }: RuntimeTrust,
  { bindReference }: SignaturePolicy,
  prefix: string,
  isRepository: boolean,
): BoundIdentity {
  const mirror = Object.entries(names.mirrors).find(
    ([mirrored]) => prefix === mirrored || prefix.startsWith(`${mirrored}/`),
  )
  if (mirror) return mirrorIdentity(registry, mirror, prefix, isRepository && bindReference !== 'tag')
  const other = names.hosts?.includes(registry) === false ? names.hosts[0] : undefined
  if (other !== undefined) {
    return {
      identity: { type: 'remapIdentity', prefix: registry, signedPrefix: other },
      notes: [
        `signatures have to name ${other} and the tag that is pulled, as ${registry} is no host of theirs`,
      ],
    }
  }
  if (bindReference === 'tag') {
    return {
      identity: { type: 'matchExact' },
      notes: [
        'signatures have to name the tag: a pull by digest is refused, and so are signatures without a tag',
      ],
    }
  }
  const notes =
    bindReference === 'none'
      ? ['signatures have to name the repository, though the policy does not ask it']
      : []
  return { identity: { type: 'matchRepository' }, notes }
}

function mirrorIdentity(
  registry: string,
  [mirrored, origin]: readonly [string, string],
  prefix: string,
  isRepository: boolean,
): BoundIdentity {
  if (isRepository) {
    const dockerRepository = `${origin}${prefix.slice(mirrored.length)}`
    return { identity: { type: 'exactRepository', dockerRepository }, notes: [] }
  }
  return {
    identity: { type: 'remapIdentity', prefix: `${registry}/${mirrored}`, signedPrefix: origin },
    notes: [
      `signatures of mirrored images have to name ${origin} with the tag that is pulled; those that cosign made have no tag: pull them by digest, or export again when the repository exists`,
    ],
  }
}
