import { lookup as systemLookup } from 'node:dns/promises'
import http, { type IncomingMessage, type RequestOptions } from 'node:http'
import https from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import type { Attempt } from '../types.ts'
import { isInNetworks, isPublicAddress, type Network } from './guard-address.ts'

/** Every address of a host name. */
export type Resolve = (hostname: string) => Promise<readonly string[]>

export interface OutgoingParts {
  /** Networks that may be reached although they are not public. */
  readonly networks: readonly Network[]
  /** The system's resolver when not given. */
  readonly resolve?: Resolve
  /** For everything from the name to the end of the answer; 10 seconds when not given. */
  readonly timeoutMs?: number
}

export interface Message {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const defaultTimeoutMs = 10_000
const maximumAnswerBytes = 64 * 1024
const maximumAddresses = 16
const maximumStatusLength = 200

/**
 * Posts a message. The host is resolved once, every address it has is checked, and the connection goes to one
 * that was checked: what the name means a moment later does not matter. Redirects are not followed; of the
 * answer only the status is told, since its body may come from where the administrator must not look.
 */
export async function postMessage(
  parts: OutgoingParts,
  message: Message,
  signal: AbortSignal,
): Promise<Attempt> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(parts.timeoutMs ?? defaultTimeoutMs)])
  try {
    const addresses = await orAborted(findAddresses(parts, message.url), limited)
    const refusal = refusalOf(parts, message.url, addresses)
    if (refusal !== undefined) return { isDelivered: false, status: refusal }
    return describeAnswer(await post(message, addresses, limited))
  } catch (error) {
    return { isDelivered: false, status: describeError(limited.aborted ? limited.reason : error) }
  }
}

async function findAddresses({ resolve = resolveBySystem }: OutgoingParts, url: URL): Promise<string[]> {
  const host = hostOf(url)
  const addresses = isIP(host) === 0 ? await resolve(host) : [host]
  if (addresses.length === 0) throw new Error(`${host} has no address`)
  if (addresses.length > maximumAddresses)
    throw new Error(`${host} has more than ${maximumAddresses} addresses`)
  return [...addresses]
}

async function resolveBySystem(hostname: string): Promise<string[]> {
  return (await systemLookup(hostname, { all: true })).map(({ address }) => address)
}

/** Why nothing is sent there, if so. One bad address among several is enough: the name is not trusted then. */
function refusalOf({ networks }: OutgoingParts, url: URL, addresses: readonly string[]): string | undefined {
  const outside = addresses.filter((address) => !isInNetworks(address, networks))
  const hidden = outside.find((address) => !isPublicAddress(address))
  const how = 'the setting notificationNetworks can allow it'
  if (hidden !== undefined)
    return `not sent: ${hostOf(url).slice(0, 80)} is at ${hidden}, which is not public; ${how}`
  if (url.protocol === 'http:' && outside.length > 0) return `not sent: it needs https; ${how}`
  return undefined
}

/** Gives the status of the answer. */
function post(
  { url, headers, body }: Message,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const options: RequestOptions = {
    method: 'POST',
    hostname: hostOf(url),
    port: url.port,
    path: `${url.pathname}${url.search}`,
    headers: { ...headers, 'user-agent': 'pratique', 'content-length': Buffer.byteLength(body) },
    lookup: pinTo(addresses),
    // A connection of its own, which nothing else has opened and no proxy of the environment takes over.
    agent: false,
    signal,
  }
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? https : http).request(options, (answer) => {
      drain(answer)
      answer.once('close', () => resolve(answer.statusCode ?? 0))
    })
    request.on('error', reject)
    request.end(body)
  })
}

/** A resolver that knows nothing but the addresses that were checked. */
function pinTo(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIP(address) }))
  return (_hostname, options, callback) => {
    const [first] = all
    if (options.all) callback(null, all)
    else callback(null, first?.address ?? '', first?.family)
  }
}

/** The body is read to its end, so that the receiver is done with us, and dropped; a long one is cut off. */
function drain(answer: IncomingMessage): void {
  let received = 0
  answer.on('error', () => {})
  answer.on('data', (chunk: Buffer) => {
    received += chunk.length
    if (received > maximumAnswerBytes) answer.destroy()
  })
}

function describeAnswer(status: number): Attempt {
  const text = `answered ${status} ${http.STATUS_CODES[status] ?? ''}`.trimEnd()
  const isRedirect = status >= 300 && status < 400
  return {
    isDelivered: status >= 200 && status < 300,
    status: isRedirect ? `${text}; redirects are not followed` : text,
  }
}

/** One short line without anything that could move a terminal's cursor. */
export function describeError(error: unknown): string {
  const { name, message, code } = error as { name?: string; message?: string; code?: string }
  if (name === 'TimeoutError') return 'no answer in time'
  // Trying several addresses fails with an error that has the reasons inside and says nothing itself.
  const text = message === undefined || message === '' ? (code ?? 'it could not be sent') : message
  return text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, maximumStatusLength)
}

/** What cannot be interrupted is not waited for any longer. */
async function orAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason as Error)
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  work.catch(() => {})
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** Without the brackets of an IPv6 address. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}
