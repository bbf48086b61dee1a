import { createHash, timingSafeEqual } from 'node:crypto'
import type { TransparencyLogEntry } from '@sigstore/bundle'
import type { verifyTLogBody } from '@sigstore/verify/dist/tlog/index.js'
import type { TrustedRoot } from '../../trusted-roots/parse-trusted-root.ts'
import { checkEntrySigner, type MadeBy } from './log-entry-signer.ts'
import { untrusted } from './refusal.ts'
import type { LogEntry, Material, SignedContent } from './signed-content.ts'

/** What logs and timestamp authorities are proven to have seen. */
export interface Proof {
  /** Milliseconds; each is a time at which the signature existed. */
  readonly times: readonly number[]
  readonly isLogged: boolean
  readonly isTimestamped: boolean
}

export const nothingProven: Proof = { times: [], isLogged: false, isTimestamped: false }

/**
 * Verifies all log entries and timestamps of a signature that a trusted root can judge: entries if it has logs,
 * timestamps if it has timestamp authorities. What it cannot judge proves nothing; what it can has to be good, each
 * of them. Throws for the first that is not.
 */
export async function proveTime(
  content: SignedContent,
  { logEntries, timestamps }: Material,
  madeBy: MadeBy,
  root: TrustedRoot,
  now: number,
): Promise<Proof> {
  const stamped: number[] = []
  if (root.timestampAuthorities.length > 0) {
    for (const timestamp of timestamps) stamped.push(await verifyTimestamp(timestamp, content.stamped, root))
  }
  const logged: (number | undefined)[] = []
  if (root.tlogs.length > 0) {
    const times = stamped.length > 0 ? stamped : [now]
    for (const entry of logEntries) logged.push(await verifyEntry(entry, content, madeBy, root, times))
  }
  return {
    times: [...stamped, ...logged.filter((time) => time !== undefined)],
    isLogged: logged.length > 0,
    isTimestamped: stamped.length > 0,
  }
}

/** RFC 3161: a granted response over these bytes, by an authority that was valid then. Gives its time. */
async function verifyTimestamp(der: Buffer, stamped: Buffer, root: TrustedRoot): Promise<number> {
  const [{ RFC3161Timestamp }, { verifyRFC3161Timestamp }] = await Promise.all([
    import('@sigstore/core'),
    import('@sigstore/verify/dist/timestamp/tsa.js'),
  ])
  const timestamp = RFC3161Timestamp.parse(Buffer.from(der))
  // Section 2.4.2: 0 is granted, 1 granted with changes.
  if (timestamp.status !== 0n && timestamp.status !== 1n) throw untrusted('a timestamp was not granted')
  // The library reads fractions of exactly three digits, and DER leaves zeros at the end out: one time in ten.
  const signingTime = readTime(timestamp.tstInfo.root.subs[4]?.value)
  Object.defineProperty(timestamp, 'signingTime', { value: signingTime })
  verifyRFC3161Timestamp(timestamp, stamped, root.timestampAuthorities)
  return signingTime.getTime()
}

/** A GeneralizedTime (RFC 3161 section 2.4.2), in UTC, of any fraction; whole seconds are taken of it. */
function readTime(bytes: Buffer | undefined): Date {
  const text = bytes?.toString('latin1') ?? ''
  const [match, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.\d{1,9})?Z$/.exec(text) ?? []
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (match === undefined || Number.isNaN(time.getTime())) throw untrusted('a timestamp has no time')
  return time
}

/**
 * An entry is in a log that was valid then, and is about exactly this signature. Gives its time if the log signed
 * that; a proof of inclusion alone has none, and the log has to be valid at `times`.
 */
async function verifyEntry(
  json: LogEntry,
  content: SignedContent,
  madeBy: MadeBy,
  root: TrustedRoot,
  times: readonly number[],
): Promise<number | undefined> {
  const [{ TransparencyLogEntry: Message }, log] = await Promise.all([
    import('@sigstore/protobuf-specs'),
    import('@sigstore/verify/dist/tlog/index.js'),
  ])
  const entry = Message.fromJSON(json) as TransparencyLogEntry
  const time = entry.inclusionPromise ? Number(entry.integratedTime) * 1000 : undefined
  log.verifyTLogInclusion(entry, logsAt(root, time === undefined ? times : [time], json))
  log.verifyTLogBody(entry, comparable(content))
  checkEntrySigner(entry.canonicalizedBody, madeBy)
  return time
}

/** The library asks for the validity of a log only where the log has signed a time. */
function logsAt({ tlogs }: TrustedRoot, times: readonly number[], entry: LogEntry): TrustedRoot['tlogs'] {
  const isValid = ({ validFor }: TrustedRoot['tlogs'][number]): boolean =>
    times.every((time) => validFor.start.getTime() <= time && time <= validFor.end.getTime())
  // A log that is known by nothing but its key signs checkpoints under a name that is not known.
  const [name = ''] = entry.inclusionProof?.checkpoint.envelope.split(/ |\n/, 1) ?? []
  return tlogs.filter(isValid).map((log) => (log.baseURL === '' ? { ...log, baseURL: name } : log))
}

/** How the library compares a log entry with what was signed. */
function comparable({ message, payload, signature }: SignedContent): Parameters<typeof verifyTLogBody>[1] {
  return {
    signature,
    compareSignature: (other) => isSame(other, signature),
    compareDigest: (digest) => isDigestOf(digest, payload),
    compareSignedDigest: (digest) => isDigestOf(digest, message),
    verifySignature: () => false,
  }
}

/** SHA-2 of the length of the digest. */
function isDigestOf(digest: Uint8Array, bytes: Buffer): boolean {
  const algorithm = new Map([
    [32, 'sha256'],
    [48, 'sha384'],
    [64, 'sha512'],
  ]).get(digest.length)
  return algorithm !== undefined && isSame(digest, createHash(algorithm).update(bytes).digest())
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right)
}
