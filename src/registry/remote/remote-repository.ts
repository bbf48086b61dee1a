import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { algorithmOf, digestOf, isDigest, type Digest } from '../../kernel/digest.ts'
import { mediaTypes } from '../../kernel/media-types.ts'
import { RemoteFailure } from './failures.ts'
import { readAnswer } from './read-answer.ts'
import { RegistryDoor, type DoorOptions } from './registry-door.ts'

const maximumManifestBytes = 4 * 1024 * 1024
const maximumPages = 100
/** Manifests and signatures are small: one request with its answer takes no longer. */
const defaultTimeoutMs = 60_000
/** How registries that do not list referrers say so: 404 as they ought to, or as Artifactory and others do. */
const withoutReferrers = [400, 404, 405, 406, 501]
const manifestTypes = [
  mediaTypes.ociIndex,
  mediaTypes.ociManifest,
  mediaTypes.dockerManifestList,
  mediaTypes.dockerManifest,
].join(', ')

const Listing = Type.Object({ manifests: Type.Array(Type.Object({ digest: Type.String() })) })

export interface RemoteManifest {
  readonly bytes: Buffer
  readonly digest: Digest
  readonly mediaType: string
}

/**
 * One repository of any registry, read and written by digest. What it gives has been checked against its digest.
 * Throws `RemoteFailure` for a registry that does not answer, refuses, or answers with other bytes.
 */
export class RemoteRepository {
  readonly host: string
  readonly name: string
  readonly #door: RegistryDoor

  private constructor(host: string, name: string, door: RegistryDoor) {
    this.host = host
    this.name = name
    this.#door = door
  }

  static async open(host: string, name: string, options: DoorOptions = {}): Promise<RemoteRepository> {
    const door = await RegistryDoor.open(host, name, { timeoutMs: defaultTimeoutMs, ...options })
    return new RemoteRepository(host, name, door)
  }

  /** A manifest by tag or digest. */
  async findManifest(reference: string): Promise<RemoteManifest | undefined> {
    const answer = await this.#door.find(`manifests/${reference}`, { accept: manifestTypes })
    if (!answer) return undefined
    const bytes = await readAnswer(answer, maximumManifestBytes, `the manifest ${reference}`)
    const digest = digestOf(bytes, isDigest(reference) ? algorithmOf(reference) : 'sha256')
    if (isDigest(reference) && digest !== reference) throw tampered(reference)
    const mediaType = (answer.headers.get('content-type') ?? '').split(';', 1)[0]?.trim() ?? ''
    return { bytes, digest, mediaType }
  }

  /** A blob of at most so many bytes; undefined when it is not there. */
  async findBlob(digest: Digest, maximumBytes: number): Promise<Buffer | undefined> {
    const answer = await this.#door.find(`blobs/${digest}`)
    if (!answer) return undefined
    const bytes = await readAnswer(answer, maximumBytes, `the blob ${digest}`)
    if (digestOf(bytes, algorithmOf(digest)) !== digest) throw tampered(digest)
    return bytes
  }

  /**
   * Digests of what refers to a digest, at most `limit` (distribution-spec, "Listing Referrers"); from the tag that
   * stands in for the list where the registry has none ("Referrers Tag Schema").
   */
  async listReferrers(subject: Digest, limit: number): Promise<Digest[]> {
    const found: Digest[] = []
    let path: string | undefined = `referrers/${subject}`
    for (let page = 0; path !== undefined && found.length < limit; page++) {
      if (page === maximumPages) throw tooManyPages()
      const answer: Response = await this.#door.send(path)
      if (page === 0 && withoutReferrers.includes(answer.status)) return this.#readFallback(subject, limit)
      // A page that is gone is no end of the list: who could stop it there could hide what comes after.
      if (!answer.ok) throw await this.#door.refusal(path, answer)
      found.push(...readListing(await readAnswer(answer, maximumManifestBytes, 'the list of referrers')))
      path = nextPage(answer)
    }
    return found.slice(0, limit)
  }

  async #readFallback(subject: Digest, limit: number): Promise<Digest[]> {
    const manifest = await this.findManifest(fallbackTagOf(subject))
    return manifest ? readListing(manifest.bytes).slice(0, limit) : []
  }

  /** Uploads a blob unless the repository has it. Gives its digest. */
  async pushBlob(bytes: Buffer): Promise<Digest> {
    const digest = digestOf(bytes)
    const held = await this.#door.send(`blobs/${digest}`, { method: 'HEAD' })
    if (held.ok) return digest
    const begun = await this.#push('blobs/uploads/', { method: 'POST' })
    const location = locationOf(begun)
    location.searchParams.set('digest', digest)
    const headers = { 'content-type': 'application/octet-stream' }
    await this.#push(location.href, { method: 'PUT', headers, body: bytes })
    return digest
  }

  /**
   * Pushes a manifest under a tag or its digest. `replacing`: the digest that the tag has now, or null when it must
   * not be there; a registry that knows preconditions answers 412 when that changed (see `TagMoved`). Gives whether
   * the registry lists referrers by itself.
   */
  async pushManifest(
    reference: string,
    manifest: Buffer,
    mediaType: string,
    replacing?: Digest | null,
  ): Promise<{ readonly listsReferrers: boolean }> {
    const headers = {
      'content-type': mediaType,
      ...(replacing ? { 'if-match': `"${replacing}"` } : {}),
      ...(replacing === null ? { 'if-none-match': '*' } : {}),
    }
    const answer = await this.#push(`manifests/${reference}`, { method: 'PUT', headers, body: manifest })
    return { listsReferrers: answer.headers.get('oci-subject') !== null }
  }

  async #push(path: string, request: Parameters<RegistryDoor['send']>[1]): Promise<Response> {
    const answer = await this.#door.send(path, request)
    if (answer.ok) return answer
    throw await this.#door.refusal(path, answer)
  }
}

/** The tag under which referrers are listed where the registry does not (distribution-spec, "Referrers Tag Schema"). */
export function fallbackTagOf(subject: Digest): string {
  return subject.replace(':', '-').slice(0, 'sha256-'.length + 64)
}

function readListing(bytes: Buffer): Digest[] {
  try {
    const listing: unknown = JSON.parse(bytes.toString())
    if (Value.Check(Listing, listing)) return listing.manifests.map(({ digest }) => digest).filter(isDigest)
  } catch {
    // Said below.
  }
  throw new RemoteFailure(
    'TARGET_UNREACHABLE',
    'the registry gave a list of referrers that is no image index',
  )
}

/** RFC 8288: `<…>; rel="next"`. */
function nextPage(answer: Response): string | undefined {
  const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(answer.headers.get('link') ?? '')?.[1]
  if (next === undefined) return undefined
  if (URL.canParse(next, answer.url)) return new URL(next, answer.url).href
  throw new RemoteFailure('TARGET_UNREACHABLE', 'the registry gave a list whose next page is at no address')
}

/** Where an upload goes on (distribution-spec, "POST then PUT"). */
function locationOf(answer: Response): URL {
  const location = answer.headers.get('location')
  if (location !== null && URL.canParse(location, answer.url)) return new URL(location, answer.url)
  throw new RemoteFailure('TARGET_UNREACHABLE', 'the registry began an upload without a Location')
}

function tooManyPages(): RemoteFailure {
  return new RemoteFailure('TARGET_UNREACHABLE', `the list of referrers has more than ${maximumPages} pages`)
}

function tampered(digest: string): RemoteFailure {
  return new RemoteFailure('TARGET_UNREACHABLE', `the registry answered ${digest} with other content`)
}
