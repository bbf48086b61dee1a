import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { algorithmOf, digestOf, isDigest, type Digest } from '../../kernel/digest.ts'
import { mediaTypes } from '../../kernel/media-types.ts'
import { RemoteFailure } from './failures.ts'
import { RegistryDoor, type DoorOptions } from './registry-door.ts'

const maximumManifestBytes = 4 * 1024 * 1024
const maximumPages = 100
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
    return new RemoteRepository(host, name, await RegistryDoor.open(host, name, options))
  }

  /** A manifest by tag or digest. */
  async findManifest(reference: string): Promise<RemoteManifest | undefined> {
    const answer = await this.#door.find(`manifests/${reference}`, { accept: manifestTypes })
    if (!answer) return undefined
    const bytes = await readLimited(answer, maximumManifestBytes, `the manifest ${reference}`)
    const digest = digestOf(bytes, isDigest(reference) ? algorithmOf(reference) : 'sha256')
    if (isDigest(reference) && digest !== reference) throw tampered(reference)
    const mediaType = (answer.headers.get('content-type') ?? '').split(';', 1)[0]?.trim() ?? ''
    return { bytes, digest, mediaType }
  }

  /** A blob of at most so many bytes; undefined when it is not there. */
  async findBlob(digest: Digest, maximumBytes: number): Promise<Buffer | undefined> {
    const answer = await this.#door.find(`blobs/${digest}`)
    if (!answer) return undefined
    const bytes = await readLimited(answer, maximumBytes, `the blob ${digest}`)
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
    for (let page = 0; path !== undefined && page < maximumPages && found.length < limit; page++) {
      const answer: Response | undefined = await this.#door.find(path)
      if (!answer) return page === 0 ? this.#readFallback(subject) : found
      const bytes = await readLimited(answer, maximumManifestBytes, 'the list of referrers')
      found.push(...readListing(bytes))
      path = nextPage(answer)
    }
    return found.slice(0, limit)
  }

  async #readFallback(subject: Digest): Promise<Digest[]> {
    const manifest = await this.findManifest(fallbackTagOf(subject))
    return manifest ? readListing(manifest.bytes) : []
  }

  /** Uploads a blob unless the repository has it. Gives its digest. */
  async pushBlob(bytes: Buffer): Promise<Digest> {
    const digest = digestOf(bytes)
    const held = await this.#door.send(`blobs/${digest}`, { method: 'HEAD' })
    if (held.ok) return digest
    const begun = await this.#push('blobs/uploads/', { method: 'POST' })
    const location = new URL(begun.headers.get('location') ?? '', begun.url)
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
  return next === undefined ? undefined : new URL(next, answer.url).href
}

async function readLimited(answer: Response, maximumBytes: number, what: string): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer.body ?? []) {
    size += chunk.length
    if (size > maximumBytes) {
      throw new RemoteFailure('TARGET_UNREACHABLE', `${what} has more than ${maximumBytes} bytes`)
    }
    chunks.push(Buffer.from(chunk))
  }
  return Buffer.concat(chunks)
}

function tampered(digest: string): RemoteFailure {
  return new RemoteFailure('TARGET_UNREACHABLE', `the registry answered ${digest} with other content`)
}
