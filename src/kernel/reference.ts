import { isDigest, parseDigest, type Digest } from './digest.ts'
import { KernelFailure } from './failure.ts'

declare const repositoryBrand: unique symbol
declare const tagBrand: unique symbol
/** A checked repository name such as `dev/shop/cart` (distribution-spec, "Pulling manifests": `<name>`). */
export type RepositoryName = string & { readonly [repositoryBrand]: true }
/** A checked tag (distribution-spec: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`). */
export type Tag = string & { readonly [tagBrand]: true }

/** What names a manifest inside a repository. */
export type Reference =
  { readonly kind: 'tag'; readonly tag: Tag } | { readonly kind: 'digest'; readonly digest: Digest }

/** A repository with the manifest meant, as people write it: `dev/app:1.0` or `dev/app@sha256:…`. */
export interface ImageName {
  readonly repository: RepositoryName
  readonly reference: Reference
}

/** Longest repository name, in characters. Clients allow 255 with the registry's host name in front. */
export const maximumRepositoryNameLength = 255

const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/

/** Parses a repository name. Throws `NAME_INVALID` that says what is wrong with it. */
export function parseRepositoryName(text: string): RepositoryName {
  if (text.length > maximumRepositoryNameLength) {
    throw new KernelFailure(
      'NAME_INVALID',
      `repository name has ${text.length} characters; at most ${maximumRepositoryNameLength} are allowed`,
    )
  }
  if (!text.split('/').every((part) => component.test(part))) {
    throw new KernelFailure(
      'NAME_INVALID',
      `${JSON.stringify(text)} is not a repository name; use lower-case letters and digits, ` +
        `separated by ".", "_", "__" or "-", in parts joined by "/"`,
    )
  }
  return text as RepositoryName
}

/** The project of a repository: the first part of its name. */
export function projectNameOf(repository: RepositoryName): string {
  return repository.split('/', 1)[0] as string
}

export function isTag(text: string): text is Tag {
  return tagPattern.test(text)
}

/** Parses a tag. Throws `TAG_INVALID`. */
export function parseTag(text: string): Tag {
  if (isTag(text)) return text
  throw new KernelFailure(
    'TAG_INVALID',
    `${JSON.stringify(text.slice(0, 160))} is not a tag; use up to 128 letters, digits, "_", "." and "-", ` +
      `not starting with "." or "-"`,
  )
}

/** Parses `<reference>` of a manifest URL: a digest when it holds a colon, a tag otherwise. */
export function parseReference(text: string): Reference {
  if (isDigest(text) || text.includes(':')) return { kind: 'digest', digest: parseDigest(text) }
  return { kind: 'tag', tag: parseTag(text) }
}

/** The reference as it stands in a URL. */
export function formatReference(reference: Reference): string {
  return reference.kind === 'tag' ? reference.tag : reference.digest
}

/** Parses `repository[:tag][@digest]`, tag `latest` when none is given; a digest wins over a tag. */
export function parseImageName(text: string): ImageName {
  const [beforeDigest = '', digest] = text.split('@', 2)
  const slash = beforeDigest.lastIndexOf('/')
  const colon = beforeDigest.indexOf(':', slash + 1)
  const repository = parseRepositoryName(colon < 0 ? beforeDigest : beforeDigest.slice(0, colon))
  if (digest !== undefined) return { repository, reference: { kind: 'digest', digest: parseDigest(digest) } }
  return {
    repository,
    reference: { kind: 'tag', tag: parseTag(colon < 0 ? 'latest' : beforeDigest.slice(colon + 1)) },
  }
}

/** `dev/app:1.0` or `dev/app@sha256:…`. */
export function formatImageName({ repository, reference }: ImageName): string {
  return reference.kind === 'tag' ? `${repository}:${reference.tag}` : `${repository}@${reference.digest}`
}
