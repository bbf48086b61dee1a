import { createPrivateKey, randomBytes, scrypt, type KeyObject } from 'node:crypto'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { JsonError, parseStrictJson } from '../../kernel/json.ts'
import { SigningFailure } from '../failures.ts'

const maximumLength = 64 * 1024
/** What cosign, and skopeo, write; other files with the same inside are not theirs. */
const sealedTypes = ['ENCRYPTED SIGSTORE PRIVATE KEY', 'ENCRYPTED COSIGN PRIVATE KEY']
/** 128 · N · r bytes are needed: what a file asks for is bounded before it gets any. */
const maximumScryptBytes = 1024 ** 3
const written = { N: 65_536, r: 8, p: 1 }

const Base64 = Type.String({ pattern: '^[A-Za-z0-9+/]+={0,2}$', maxLength: 32_768 })
const Sealed = Type.Object({
  kdf: Type.Object({
    name: Type.Literal('scrypt'),
    params: Type.Object({
      N: Type.Integer({ minimum: 2, maximum: 2 ** 20 }),
      r: Type.Integer({ minimum: 1, maximum: 32 }),
      p: Type.Integer({ minimum: 1, maximum: 16 }),
    }),
    salt: Base64,
  }),
  cipher: Type.Object({ name: Type.Literal('nacl/secretbox'), nonce: Base64 }),
  ciphertext: Base64,
})

/**
 * Opens a private key in PEM: PKCS#8, plain or encrypted, PKCS#1, SEC1, and the encrypted keys of cosign and skopeo.
 * Throws KEY_INVALID that says whether a passphrase is missing or wrong.
 */
export async function openPrivateKey(pem: string, passphrase?: string): Promise<KeyObject> {
  if (pem.length > maximumLength) throw invalid(`it has more than ${maximumLength} characters`)
  const label = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(pem)?.[1]
  if (label === undefined) throw invalid('there is no PEM block in it')
  if (label.endsWith('PUBLIC KEY')) throw invalid('it is a public key; the private one signs')
  if (sealedTypes.includes(label)) return openSealed(pem, passphrase)
  if (/ENCRYPTED/.test(pem) && passphrase === undefined) throw missingPassphrase()
  try {
    return createPrivateKey({ key: pem, format: 'pem', ...(passphrase === undefined ? {} : { passphrase }) })
  } catch (error) {
    throw invalid(passphrase === undefined ? (error as Error).message : 'the passphrase does not fit')
  }
}

async function openSealed(pem: string, passphrase: string | undefined): Promise<KeyObject> {
  if (passphrase === undefined) throw missingPassphrase()
  const { kdf, cipher, ciphertext } = readSealed(pem)
  const key = await deriveKey(passphrase, Buffer.from(kdf.salt, 'base64'), kdf.params)
  const { xsalsa20poly1305 } = await import('@noble/ciphers/salsa.js')
  let der: Uint8Array
  try {
    der = xsalsa20poly1305(key, Buffer.from(cipher.nonce, 'base64')).decrypt(
      Buffer.from(ciphertext, 'base64'),
    )
  } catch {
    throw invalid('the passphrase does not fit')
  }
  try {
    return createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' })
  } catch (error) {
    throw invalid((error as Error).message)
  }
}

function readSealed(pem: string): {
  kdf: { params: { N: number; r: number; p: number }; salt: string }
  cipher: { nonce: string }
  ciphertext: string
} {
  const body = /-----BEGIN [A-Z ]+-----([A-Za-z0-9+/=\s]+)-----END [A-Z ]+-----/.exec(pem)?.[1]
  try {
    const document = parseStrictJson(Buffer.from(body ?? '', 'base64').toString(), 8)
    if (Value.Check(Sealed, document)) return document
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
  }
  throw invalid('what is in it is not as cosign writes it')
}

async function deriveKey(
  passphrase: string,
  salt: Buffer,
  { N, r, p }: { readonly N: number; readonly r: number; readonly p: number },
): Promise<Buffer> {
  if (128 * N * r > maximumScryptBytes) throw invalid('it asks for more memory than any tool writes')
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, 32, { N, r, p, maxmem: maximumScryptBytes + 1024 ** 2 }, (error, key) =>
      error ? reject(invalid(error.message)) : resolve(key),
    )
  })
}

/** The private key encrypted as cosign writes it: `ENCRYPTED SIGSTORE PRIVATE KEY`. */
export async function sealPrivateKey(key: KeyObject, passphrase: string): Promise<string> {
  const { xsalsa20poly1305 } = await import('@noble/ciphers/salsa.js')
  const [salt, nonce] = [randomBytes(32), randomBytes(24)]
  const derived = await deriveKey(passphrase, salt, written)
  const der = key.export({ type: 'pkcs8', format: 'der' })
  const document = {
    kdf: { name: 'scrypt', params: written, salt: salt.toString('base64') },
    cipher: { name: 'nacl/secretbox', nonce: nonce.toString('base64') },
    ciphertext: Buffer.from(xsalsa20poly1305(derived, nonce).encrypt(der)).toString('base64'),
  }
  const body = Buffer.from(JSON.stringify(document)).toString('base64')
  const lines = body.match(/.{1,64}/g) ?? []
  const [label = ''] = sealedTypes
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

function missingPassphrase(): SigningFailure {
  return new SigningFailure(
    'KEY_INVALID',
    'the private key is encrypted; give its passphrase in PRATIQUE_KEY_PASSWORD or with --password-file',
  )
}

function invalid(why: string): SigningFailure {
  return new SigningFailure('KEY_INVALID', `the private key cannot be opened: ${why}`)
}
