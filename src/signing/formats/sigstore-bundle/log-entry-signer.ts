import { createPublicKey, X509Certificate, type KeyObject } from 'node:crypto'
import { JsonError, parseStrictJsonBytes } from '../../../kernel/json.ts'
import { malformed, untrusted } from './refusal.ts'

/** Who made a signature: a key, or a key with a certificate. */
export interface MadeBy {
  readonly key: KeyObject
  /** DER. */
  readonly certificate?: Buffer
}

type Path = readonly (string | number)[]

/** Where each kind of entry (rekor, `pkg/types`; rekor-tiles for 0.0.2) names who made the signature. */
const places: Readonly<Record<string, Path>> = {
  'hashedrekord 0.0.1': ['signature', 'publicKey', 'content'],
  'dsse 0.0.1': ['signatures', 0, 'verifier'],
  'intoto 0.0.2': ['content', 'envelope', 'signatures', 0, 'publicKey'],
  'hashedrekord 0.0.2': ['hashedRekordV002', 'signature', 'verifier'],
  'dsse 0.0.2': ['dsseV002', 'signatures', 0, 'verifier'],
}

/**
 * Checks that an entry of a log was made for this key or certificate; the library compares signature and hash only.
 * Throws `Refusal`.
 */
export function checkEntrySigner(canonicalizedBody: Uint8Array, { key, certificate }: MadeBy): void {
  const body = parseBody(canonicalizedBody)
  const kind = `${String(at(body, ['kind']))} ${String(at(body, ['apiVersion']))}`
  const place = places[kind]
  if (!place) throw malformed(`a log entry of the kind ${kind.slice(0, 80)} is not known`)
  const named = readVerifier(at(body, ['spec', ...place]))
  const isSame =
    named instanceof X509Certificate && certificate
      ? named.raw.equals(certificate)
      : (named instanceof X509Certificate ? named.publicKey : named).equals(key)
  if (!isSame) throw untrusted('the log entry was made for another key or certificate')
}

function parseBody(bytes: Uint8Array): unknown {
  try {
    return parseStrictJsonBytes(bytes, 16)
  } catch (error) {
    if (error instanceof JsonError) throw malformed(`the body of a log entry is ${error.message}`)
    throw error
  }
}

/** Of version 1 PEM in base64; of version 2 an object with the DER of a certificate or a key. */
function readVerifier(verifier: unknown): X509Certificate | KeyObject {
  try {
    if (typeof verifier === 'string') return readPem(Buffer.from(verifier, 'base64').toString('latin1'))
    const certificate = at(verifier, ['x509Certificate', 'rawBytes'])
    if (typeof certificate === 'string') return new X509Certificate(Buffer.from(certificate, 'base64'))
    const key = Buffer.from(String(at(verifier, ['publicKey', 'rawBytes'])), 'base64')
    return createPublicKey({ key, format: 'der', type: 'spki' })
  } catch (error) {
    throw malformed(`a log entry names no key or certificate: ${(error as Error).message}`)
  }
}

function readPem(pem: string): X509Certificate | KeyObject {
  return pem.includes('-----BEGIN CERTIFICATE-----') ? new X509Certificate(pem) : createPublicKey(pem)
}

function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (current, step) =>
      typeof current === 'object' && current !== null && Object.hasOwn(current, step)
        ? (current as Record<string | number, unknown>)[step]
        : undefined,
    value,
  )
}
