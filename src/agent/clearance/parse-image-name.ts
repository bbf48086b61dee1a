import { isDigest, type Digest } from '../../kernel/digest.ts'
import { isTag } from '../../kernel/reference.ts'
import { CriFailure } from '../cri/failures.ts'

const maximumLength = 1024
const hostName =
  /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*(:\d{1,5})?$/
const part = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/

/** An image as pods name it, with what goes without saying written out. */
export interface ImageName {
  /** `host[:port]/repository`. */
  readonly name: string
  readonly host: string
  readonly repository: string
  readonly tag?: string
  readonly digest?: Digest
  /** `name:tag` or `name@digest`; a digest leaves a tag without meaning. */
  readonly reference: string
}

/**
 * Reads `[host[:port]/]repository[:tag][@digest]` as the kubelet and docker do: without a host it is Docker Hub's,
 * without a tag it is `latest`. Throws INVALID_ARGUMENT.
 */
export function parseImageName(text: string): ImageName {
  if (text.length > maximumLength) throw invalid(text)
  const [before = '', digest, ...more] = text.split('@')
  const colon = before.indexOf(':', before.lastIndexOf('/') + 1)
  const path = colon < 0 ? before : before.slice(0, colon)
  const tag = colon < 0 ? undefined : before.slice(colon + 1)
  const [host, repository] = splitHost(path)
  const isGood =
    more.length === 0 &&
    repository.split('/').every((one) => part.test(one)) &&
    hostName.test(host) &&
    (tag === undefined || isTag(tag)) &&
    (digest === undefined || isDigest(digest))
  if (!isGood) throw invalid(text)
  const name = `${host.toLowerCase()}/${repository}`
  if (digest !== undefined) {
    return { name, host: host.toLowerCase(), repository, digest, reference: `${name}@${digest}` }
  }
  const named = tag ?? 'latest'
  return { name, host: host.toLowerCase(), repository, tag: named, reference: `${name}:${named}` }
}

function splitHost(path: string): readonly [string, string] {
  const slash = path.indexOf('/')
  const first = path.slice(0, slash)
  if (slash > 0 && (/[.:]/.test(first) || first === 'localhost')) return [first, path.slice(slash + 1)]
  return ['docker.io', slash < 0 ? `library/${path}` : path]
}

function invalid(text: string): CriFailure {
  const shown = JSON.stringify(text.slice(0, 200))
  return new CriFailure('INVALID_ARGUMENT', `${shown} is no image name, as [host/]repository[:tag][@digest]`)
}
