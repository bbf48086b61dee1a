import { isDigest, type Digest } from '../../kernel/digest.ts'
import { isTag } from '../../kernel/reference.ts'
import type { SignerNames } from '../levels/types.ts'

/** The name that a signer gave an image. */
export interface SignedReference {
  /** With a port where there is one; absent when the name has none. */
  readonly host?: string
  readonly repository: string
  readonly tag?: string
  readonly digest?: Digest
}

const maximumLength = 512

/** Reads `[host[:port]/]repository[:tag][@digest]`; undefined for anything else. Never throws. */
export function readSignedReference(text: string): SignedReference | undefined {
  if (text.length > maximumLength) return undefined
  const [name = '', digest, ...more] = text.split('@')
  if (more.length > 0 || (digest !== undefined && !isDigest(digest))) return undefined
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1)
  const tag = colon < 0 ? undefined : name.slice(colon + 1)
  if (tag !== undefined && !isTag(tag)) return undefined
  const path = colon < 0 ? name : name.slice(0, colon)
  const [first = '', ...parts] = path.split('/')
  // As all clients read names: a first part with a dot or a port, or this one word, is a host.
  const isHost = parts.length > 0 && (/[.:]/.test(first) || first === 'localhost')
  const repository = isHost ? parts.join('/') : path
  if (!repository.split('/').every((part) => /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*$/.test(part))) return undefined
  return {
    repository,
    ...(isHost ? { host: first } : {}),
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  }
}

/** Whether a reference names one of these, which `namesForSigners` made. */
export function isNamed({ host, repository }: SignedReference, names: readonly string[]): boolean {
  return names.includes(`*/${repository}`) || (host !== undefined && names.includes(`${host}/${repository}`))
}

/**
 * The names under which signers may know what these repositories hold, as `host/repository`, where the host `*` is
 * any. What is mirrored also goes by the name that it has where it comes from.
 */
export function namesForSigners({ hosts, mirrors }: SignerNames, repositories: readonly string[]): string[] {
  return repositories.flatMap((repository) => [
    ...(hosts ?? ['*']).map((host) => `${host}/${repository}`),
    ...Object.entries(mirrors)
      .filter(([prefix]) => repository.startsWith(`${prefix}/`))
      .map(([prefix, origin]) => `${origin}${repository.slice(prefix.length)}`),
  ])
}
