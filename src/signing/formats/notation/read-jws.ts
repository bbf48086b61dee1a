import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { JsonError, parseStrictJsonBytes } from '../../../kernel/json.ts'
import { maximumTokenBytes } from '../../timestamps/index.ts'
import { maximumChainLength } from '../../x509/index.ts'
import { malformed } from '../sigstore-bundle/refusal.ts'
import { decodeBase64 } from '../sigstore-bundle/signed-content.ts'
import { algorithmNames } from './algorithms.ts'
import {
  maximumCertificateBytes,
  maximumSignatureBytes,
  names,
  readHeaders,
  type HeaderForm,
  type SignedEnvelope,
} from './signed-envelope.ts'

/** RFC 7515 section 7.2.2, flattened, "no additional top level fields are supported". */
const Jws = Type.Object(
  {
    payload: Type.String(),
    protected: Type.String(),
    header: Type.Object({
      x5c: Type.Array(Type.String(), { minItems: 1, maxItems: maximumChainLength }),
      [names.timestamp]: Type.Optional(Type.String()),
    }),
    signature: Type.String(),
  },
  { additionalProperties: false },
)
const Protected = Type.Record(Type.String(), Type.Unknown())
const maximumDepth = 8

const form: HeaderForm = {
  labels: { algorithm: 'alg', critical: 'crit', contentType: 'cty' },
  algorithmOf: (value) => algorithmNames.find((name) => name === value),
  timeOf: parseTime,
}

/** Reads an envelope in JWS (signature-envelope-jws). Throws `Refusal`. */
export function readJws(bytes: Buffer): SignedEnvelope {
  const jws = parse(bytes, 'the envelope')
  if (!Value.Check(Jws, jws)) throw malformed('the layer is no flattened JWS with a chain of certificates')
  const headers = parse(decodeBase64Url(jws.protected, 'the protected header'), 'the protected header')
  if (!Value.Check(Protected, headers)) throw malformed('the protected header is no object')
  const both = Object.keys(jws.header).find((name) => Object.hasOwn(headers, name))
  if (both !== undefined)
    throw malformed(`the header ${JSON.stringify(both.slice(0, 80))} is both signed and not`)
  const { x5c, [names.timestamp]: token } = jws.header
  const signature = decodeBase64Url(jws.signature, 'the signature')
  if (signature.length > maximumSignatureBytes) throw malformed('the signature is too long')
  return {
    ...readHeaders(new Map(Object.entries(headers)), form),
    message: Buffer.from(`${jws.protected}.${jws.payload}`),
    payload: decodeBase64Url(jws.payload, 'the payload'),
    signature,
    certificates: x5c.map((text) => decodeBase64(text, 'a certificate', maximumCertificateBytes)),
    ...(token === undefined ? {} : { timestamp: decodeBase64(token, 'the timestamp', maximumTokenBytes) }),
  }
}

function parse(bytes: Buffer, what: string): unknown {
  try {
    return parseStrictJsonBytes(bytes, maximumDepth)
  } catch (error) {
    if (error instanceof JsonError) throw malformed(`${what} is ${error.message}`)
    throw error
  }
}

/** RFC 7515 section 2: without padding, and in one way only. */
function decodeBase64Url(text: string, what: string): Buffer {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.length === 0 || bytes.toString('base64url') !== text) throw malformed(`${what} is no base64url`)
  return bytes
}

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/

function parseTime(value: unknown): number | undefined {
  const time = typeof value === 'string' && rfc3339.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(time) ? undefined : time
}
