import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { Descriptor } from '../../../kernel/media-types.ts'
import { JsonError, parseStrictJson } from '../../../kernel/json.ts'
import { readPemBlocks } from '../../trusted-roots/pem.ts'
import { malformed } from '../sigstore-bundle/refusal.ts'
import {
  Base64,
  decodeBase64,
  maximumCertificateBytes,
  maximumEntries,
  maximumTimestampBytes,
  type LogEntry,
  type Material,
} from '../sigstore-bundle/signed-content.ts'

/** cosign, `pkg/oci/static`: what it writes on the layer beside the signature. */
const annotations = {
  certificate: 'dev.sigstore.cosign/certificate',
  chain: 'dev.sigstore.cosign/chain',
  bundle: 'dev.sigstore.cosign/bundle',
  timestamp: 'dev.sigstore.cosign/rfc3161timestamp',
} as const

const maximumBundleCharacters = 1024 * 1024
const closed = { additionalProperties: false }
/** Rekor's promise of an entry, with the entry. */
const RekorBundle = Type.Object(
  {
    SignedEntryTimestamp: Base64,
    Payload: Type.Object(
      {
        body: Base64,
        integratedTime: Type.Integer({ minimum: 0, maximum: 999_999_999_999 }),
        logIndex: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
        logID: Type.String({ pattern: '^[0-9a-f]{64}$' }),
      },
      closed,
    ),
  },
  closed,
)
const RekorBody = Type.Object({ kind: Type.String(), apiVersion: Type.String() })
const Timestamp = Type.Object({ SignedRFC3161Timestamp: Type.String() }, closed)

/** What the annotations of a layer give to verify its signature by. Throws `Refusal`. */
export function readMaterial({ annotations: found = {} }: Descriptor): Material {
  const bundle = found[annotations.bundle]
  const timestamp = found[annotations.timestamp]
  return {
    certificates: [
      ...readCertificates(found[annotations.certificate]),
      ...readCertificates(found[annotations.chain]),
    ],
    logEntries: bundle ? [readLogEntry(bundle)] : [],
    timestamps: timestamp ? [readTimestamp(timestamp)] : [],
  }
}

/** cosign writes an empty annotation where there is no chain. */
function readCertificates(pem = ''): Buffer[] {
  if (pem === '') return []
  if (pem.length > maximumEntries * maximumCertificateBytes) throw malformed('the certificates are too long')
  try {
    const blocks = readPemBlocks(pem, 'CERTIFICATE')
    if (blocks.length <= maximumEntries) return blocks
  } catch (error) {
    throw malformed(`the certificates cannot be read: ${(error as Error).message}`)
  }
  throw malformed('there are too many certificates')
}

/** The entry in the form in which bundles have it. */
function readLogEntry(text: string): LogEntry {
  if (text.length > maximumBundleCharacters) throw malformed('the log entry is too long')
  const bundle = parse(text, 'the log entry')
  if (!Value.Check(RekorBundle, bundle))
    throw malformed('the log entry has another shape than Rekor gives it')
  const { body, integratedTime, logIndex, logID } = bundle.Payload
  const decoded = parse(
    decodeBase64(body, 'the body of the log entry').toString(),
    'the body of the log entry',
  )
  if (!Value.Check(RekorBody, decoded)) throw malformed('the body of the log entry has no kind')
  return {
    logIndex: String(logIndex),
    logId: { keyId: Buffer.from(logID, 'hex').toString('base64') },
    kindVersion: { kind: decoded.kind, version: decoded.apiVersion },
    integratedTime: String(integratedTime),
    inclusionPromise: { signedEntryTimestamp: bundle.SignedEntryTimestamp },
    canonicalizedBody: body,
  }
}

function readTimestamp(text: string): Buffer {
  if (text.length > 2 * maximumTimestampBytes) throw malformed('the timestamp is too long')
  const document = parse(text, 'the timestamp')
  if (!Value.Check(Timestamp, document))
    throw malformed('the timestamp has another shape than cosign gives it')
  return decodeBase64(document.SignedRFC3161Timestamp, 'the timestamp', maximumTimestampBytes)
}

function parse(text: string, what: string): unknown {
  try {
    return parseStrictJson(text, 16)
  } catch (error) {
    if (error instanceof JsonError) throw malformed(`${what} is ${error.message}`)
    throw error
  }
}
