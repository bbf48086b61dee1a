import { maximumTokenBytes } from '../../timestamps/index.ts'
import { maximumChainLength } from '../../x509/index.ts'
import { malformed } from '../sigstore-bundle/refusal.ts'
import { coseAlgorithms } from './algorithms.ts'
import { decodeCbor, encodeCbor, Tagged } from './cbor.ts'
import {
  maximumCertificateBytes,
  maximumSignatureBytes,
  names,
  readHeaders,
  type HeaderForm,
  type Headers,
  type SignedEnvelope,
} from './signed-envelope.ts'

/** RFC 9052 section 4.2, and RFC 9360 section 2. */
const tagOfSign1 = 18
const x5chain = 33
/** RFC 8949 section 3.4.2; ECMAScript's times end at this second. */
const tagOfTime = 1
const lastSecond = 8.64e12

const form: HeaderForm = {
  labels: { algorithm: 1, critical: 2, contentType: 3 },
  algorithmOf: (value) => coseAlgorithms.get(value as number),
  timeOf: readTime,
}

/** Reads an envelope in COSE, `COSE_Sign1_Tagged` (signature-envelope-cose). Throws `Refusal`. */
export async function readCose(bytes: Buffer): Promise<SignedEnvelope> {
  const { protectedBytes, unprotected, payload, signature } = await readSign1(bytes)
  const headers = await decodeCbor(protectedBytes, [tagOfTime], 'the protected header')
  if (!isHeaders(headers) || !isHeaders(unprotected)) throw malformed('the headers are no maps of names')
  const both = [...unprotected.keys()].find((label) => headers.has(label))
  if (both !== undefined) throw malformed(`the header ${JSON.stringify(both)} is both signed and not`)
  const timestamp = unprotected.get(names.timestamp)
  return {
    ...readHeaders(headers, form),
    message: await encodeCbor(['Signature1', protectedBytes, new Uint8Array(), payload]),
    payload,
    signature,
    // RFC 9360: it may be signed or not, as its root is what makes it believed.
    certificates: readChain(headers.get(x5chain) ?? unprotected.get(x5chain)),
    ...(timestamp === undefined ? {} : { timestamp: toBytes(timestamp, 'the timestamp', maximumTokenBytes) }),
  }
}

interface Sign1 {
  readonly protectedBytes: Buffer
  readonly unprotected: unknown
  readonly payload: Buffer
  readonly signature: Buffer
}

async function readSign1(bytes: Buffer): Promise<Sign1> {
  const tagged = await decodeCbor(bytes, [tagOfSign1], 'the envelope')
  const parts: unknown = tagged instanceof Tagged && tagged.tag === tagOfSign1 ? tagged.value : undefined
  if (!Array.isArray(parts) || parts.length !== 4) throw malformed('the layer is no COSE_Sign1 with its tag')
  const [protectedBytes, unprotected, payload, signature] = parts as readonly unknown[]
  return {
    protectedBytes: toBytes(protectedBytes, 'the protected header', bytes.length),
    unprotected,
    payload: toBytes(payload, 'the payload', bytes.length),
    signature: toBytes(signature, 'the signature', maximumSignatureBytes),
  }
}

function isHeaders(value: unknown): value is Headers {
  return (
    value instanceof Map &&
    [...value.keys()].every((key) => typeof key === 'string' || typeof key === 'number')
  )
}

function readChain(value: unknown): readonly Buffer[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > maximumChainLength) {
    throw malformed(`there is no chain of 1 to ${maximumChainLength} certificates`)
  }
  return value.map((item) => toBytes(item, 'a certificate', maximumCertificateBytes))
}

function toBytes(value: unknown, what: string, maximumBytes: number): Buffer {
  if (!(value instanceof Uint8Array) || value.length === 0 || value.length > maximumBytes) {
    throw malformed(`${what} is no string of 1 to ${maximumBytes} bytes`)
  }
  return Buffer.from(value)
}

function readTime(value: unknown): number | undefined {
  const seconds: unknown = value instanceof Tagged && value.tag === tagOfTime ? value.value : undefined
  const isTime = typeof seconds === 'number' && Number.isInteger(seconds) && Math.abs(seconds) <= lastSecond
  return isTime ? seconds * 1000 : undefined
}
