import { createHash, hash } from 'node:crypto'
import {
  createReadStream,
  createWriteStream,
  existsSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { FeedState } from './source-writer.ts'
import type { FeedRequest } from './sources/types.ts'

const maximumFeedBytes = 4 * 1024 ** 3
const timeoutMs = 600_000

/** What a feed answered. */
export type Download =
  | { readonly outcome: 'fetched'; readonly path: string; readonly state: FeedState }
  | { readonly outcome: 'unchanged' }
  | { readonly outcome: 'failed'; readonly error: string }

/**
 * Fetches a feed if it has anything but what `known` names (RFC 9110, section 13 "Conditional Requests"). A
 * download that broke off is taken up again where the server still has the same (section 14 "Range Requests").
 * Redirects are not followed and nothing of ours is sent: the address is what was configured.
 */
export async function downloadFeed(
  request: FeedRequest,
  folder: string,
  known: FeedState | undefined,
): Promise<Download> {
  const part = new PartialFile(folder, request)
  const { url } = request
  try {
    const answer = await ask(url, part, known?.url === url ? known : undefined)
    if (answer.status === 304) return { outcome: 'unchanged' }
    if (answer.status === 416) {
      await part.remove()
      return { outcome: 'failed', error: `the feed ${url} changed while it was read; try again` }
    }
    if (!answer.ok || !answer.body)
      return { outcome: 'failed', error: `the feed ${url} answered ${answer.status}` }
    const state = stateOf(url, answer.headers)
    await part.receive(answer, state)
    const damage = await findDamage(part.path, answer)
    if (damage === undefined) return { outcome: 'fetched', path: await part.complete(), state }
    await part.remove()
    return { outcome: 'failed', error: `the feed ${url} ${damage}` }
  } catch (error) {
    const cause = (error as Error).cause ?? error
    return {
      outcome: 'failed',
      error: `the feed ${url} cannot be reached: ${String((cause as Error).message)}`,
    }
  }
}

function ask(url: string, part: PartialFile, known: FeedState | undefined): Promise<Response> {
  const resumed = part.findResumable()
  const headers: Record<string, string> = {
    // A stored part can be continued only in the coding that it was stored in.
    'accept-encoding': 'identity',
    ...(known?.etag === undefined ? {} : { 'if-none-match': known.etag }),
    ...(known?.etag === undefined && known?.lastModified !== undefined
      ? { 'if-modified-since': known.lastModified }
      : {}),
    ...(resumed ? { range: `bytes=${resumed.sizeBytes}-`, 'if-range': resumed.etag } : {}),
  }
  return fetch(url, { redirect: 'error', signal: AbortSignal.timeout(timeoutMs), headers })
}

function stateOf(url: string, headers: Headers): FeedState {
  const [etag, lastModified] = [headers.get('etag'), headers.get('last-modified')]
  return {
    url,
    ...(etag === null ? {} : { etag }),
    ...(lastModified === null ? {} : { lastModified }),
  }
}

/** What there is of a download, and of which state of the feed. */
class PartialFile {
  readonly path: string
  readonly #note: string
  readonly #url: string
  readonly #suffix: string

  constructor(folder: string, { source, url, suffix }: FeedRequest) {
    // Two names that differ only in what cannot stand in a file's name get two files.
    const name = `${source.replaceAll(/[^A-Za-z0-9.-]/g, '_').slice(0, 80)}-${hash('sha256', source).slice(0, 8)}`
    this.path = join(folder, `${name}.part`)
    this.#note = join(folder, `${name}.etag`)
    this.#url = url
    this.#suffix = suffix
  }

  /** RFC 9110, section 13.1.5 "If-Range": only a strong validator can join two parts. */
  findResumable(): { readonly etag: string; readonly sizeBytes: number } | undefined {
    if (!existsSync(this.path) || !existsSync(this.#note)) return undefined
    const [url, etag] = readFileSync(this.#note, 'utf8').split('\n')
    const sizeBytes = statSync(this.path).size
    const isOurs = url === this.#url && etag !== undefined && /^"[^"\r\n]*"$/.test(etag)
    return isOurs && sizeBytes > 0 ? { etag, sizeBytes } : undefined
  }

  async receive(answer: Response, { etag }: FeedState): Promise<void> {
    const from = answer.status === 206 ? startOf(answer.headers.get('content-range')) : 0
    if (answer.status === 206 && from !== (existsSync(this.path) ? statSync(this.path).size : 0)) {
      await this.remove()
      throw new Error('it sent another part than the one that was asked for')
    }
    if (from === 0) writeFileSync(this.#note, `${this.#url}\n${etag ?? ''}`)
    const body = Readable.fromWeb(answer.body as never)
    await pipeline(body, limited(from), createWriteStream(this.path, { flags: from > 0 ? 'a' : 'w' }))
  }

  /** Gives the file its own name, which tells how it is packed. */
  async complete(): Promise<string> {
    const path = this.path.replace(/\.part$/, this.#suffix)
    await rename(this.path, path)
    await rm(this.#note, { force: true })
    return path
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true })
    await rm(this.#note, { force: true })
  }
}

/** `bytes 100-199/200` begins at 100. */
function startOf(contentRange: string | null): number {
  return Number(/^bytes (\d{1,15})-/.exec(contentRange ?? '')?.[1] ?? -1)
}

function limited(alreadyBytes: number): Transform {
  let bytes = alreadyBytes
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > maximumFeedBytes) done(new Error(`it has more than ${maximumFeedBytes} bytes`))
      else done(null, chunk)
    },
  })
}

/** Checks the size, and the digests that the server gives: RFC 9530 `Repr-Digest`, Google's `x-goog-hash`. */
async function findDamage(path: string, { headers, status }: Response): Promise<string | undefined> {
  const total = /\/(\d{1,15})$/.exec(headers.get('content-range') ?? '')?.[1]
  // A server that packs it for the way all the same gives the size of that.
  const isPacked = (headers.get('content-encoding') ?? 'identity') !== 'identity'
  const expected = status === 206 ? total : isPacked ? undefined : headers.get('content-length')
  const { size } = statSync(path)
  if (expected !== null && expected !== undefined && size !== Number(expected))
    return `sent ${size} of ${expected} bytes`
  const sha256 = /sha-256=:([A-Za-z0-9+/=]{1,100}):/.exec(headers.get('repr-digest') ?? '')?.[1]
  const md5 = /(?:^|[,\s])md5=([A-Za-z0-9+/=]{1,50})/.exec(headers.get('x-goog-hash') ?? '')?.[1]
  const [algorithm, digest] = sha256 === undefined ? ['md5', md5] : ['sha256', sha256]
  if (algorithm === undefined || digest === undefined) return undefined
  const running = createHash(algorithm)
  await pipeline(createReadStream(path), running)
  return running.digest('base64') === digest ? undefined : `sent other bytes than its ${algorithm} says`
}
