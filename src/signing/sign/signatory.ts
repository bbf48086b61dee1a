import { spawn } from 'node:child_process'
import { createHash, createPublicKey, sign, type KeyObject } from 'node:crypto'
import type { Signature, Signer as Maker, Witness } from '@sigstore/sign'
import { SigningFailure } from '../failures.ts'
import { algorithmOfKey, isSignedBy } from '../keys/verification-key.ts'
import type { KeyAlgorithm, VerificationKey } from '../types.ts'

/** Who signs, and who is to witness it. */
export interface Signatory {
  readonly maker: Maker
  /** Transparency logs and timestamp authorities that are shown each signature. */
  readonly witnesses: readonly Witness[]
  /** What a Notary Project signature is made with: a key whose certificate is the first of the chain. */
  readonly notation?: { readonly key: KeyObject; readonly certificateChain: string }
  /** The key that every signature verifies with; absent where each has one of its own. */
  readonly publicKey?: VerificationKey
  /** Digest of the public key, by which a bundle names it; absent where a certificate does. */
  readonly hint?: string
  /** What a user should know before relying on it. */
  readonly warnings: readonly string[]
}

const commandTimeoutMs = 60_000
const maximumOutputBytes = 64 * 1024
/** Of r and s side by side, as PKCS#11 gives them. */
const rawLengths: Partial<Record<KeyAlgorithm, number>> = {
  'ecdsa-p256': 64,
  'ecdsa-p384': 96,
  'ecdsa-p521': 132,
}

/** Signs with a private key in memory. */
export function keySignatory(
  privateKey: KeyObject,
  witnesses: readonly Witness[] = [],
  /** PEM, for Notary Project signatures. */
  certificateChain?: string,
): Signatory {
  const publicKey = createPublicKey(privateKey)
  const algorithm = algorithmOfKey(publicKey)
  return {
    maker: {
      // With longer curves cosign 2, skopeo and we hash with SHA-256 too.
      sign: async (data) =>
        signed(publicKey, sign(algorithm === 'ed25519' ? null : 'sha256', data, privateKey)),
    },
    witnesses,
    ...(certificateChain === undefined ? {} : { notation: { key: privateKey, certificateChain } }),
    publicKey: { key: publicKey, algorithm },
    hint: hintOf(publicKey),
    warnings: warningsFor(algorithm),
  }
}

function warningsFor(algorithm: KeyAlgorithm): string[] {
  if (algorithm === 'ecdsa-p256' || algorithm === 'rsa') return []
  return [
    `cosign 3 cannot verify signatures with keys of the kind ${algorithm}; ECDSA on P-256 works everywhere`,
  ]
}

/**
 * Signs with a program: for keys that stay in an HSM, a token or a key management service. It gets the bytes to sign on
 * standard input and gives the signature on standard output: ASN.1 DER, or for ECDSA r and s side by side as PKCS#11
 * does; SHA-256 is the hash. `PRATIQUE_KEY_ALGORITHM` tells it the kind of the key. There is no shell.
 */
export function commandSignatory(
  command: readonly string[],
  publicKey: KeyObject,
  witnesses: readonly Witness[] = [],
  timeoutMs = commandTimeoutMs,
): Signatory {
  const algorithm = algorithmOfKey(publicKey)
  return {
    maker: {
      async sign(data) {
        const output = await run(command, data, { algorithm, timeoutMs })
        const signature = output.length === rawLengths[algorithm] ? derOf(output) : output
        // What is published has to verify: a program may sign with another key, or another hash.
        if (isSignedBy({ key: publicKey, algorithm }, data, signature)) return signed(publicKey, signature)
        throw new SigningFailure(
          'KEY_INVALID',
          `what ${command[0]} gave is no signature of the public key with SHA-256`,
        )
      },
    },
    witnesses,
    publicKey: { key: publicKey, algorithm },
    hint: hintOf(publicKey),
    warnings: warningsFor(algorithm),
  }
}

function signed(publicKey: KeyObject, signature: Buffer): Signature {
  // Without a hint here: the library would write it into the envelope too, as the id of a key that cosign does not know.
  return {
    signature,
    key: { $case: 'publicKey', publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string },
  }
}

function hintOf(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64')
}

function run(
  [program = '', ...args]: readonly string[],
  input: Uint8Array,
  { algorithm, timeoutMs }: { readonly algorithm: KeyAlgorithm; readonly timeoutMs: number },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, PRATIQUE_KEY_ALGORITHM: algorithm }
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env })
    const failed = (why: string): void => {
      clearTimeout(timer)
      // Not asked but ended, and not waited for: what it started may hold its output open.
      child.kill('SIGKILL')
      child.stdout.destroy()
      reject(new SigningFailure('KEY_INVALID', `the signing command ${program} ${why}`))
    }
    const timer = setTimeout(() => failed(`did not end within ${timeoutMs / 1000} s`), timeoutMs)
    const chunks: Buffer[] = []
    let bytes = 0
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > maximumOutputBytes) failed(`gave more than ${maximumOutputBytes} bytes`)
      else chunks.push(chunk)
    })
    child.once('error', (error) => failed(`cannot be run: ${error.message}`))
    child.once('close', (code, signal) => {
      if (code !== 0) return failed(`ended with ${code ?? signal}`)
      clearTimeout(timer)
      resolve(Buffer.concat(chunks))
    })
    // A program that ends without reading is told of by its exit code.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}

/** ECDSA-Sig-Value (RFC 3279, section 2.2.3) of r and s side by side. */
function derOf(raw: Buffer): Buffer {
  const half = raw.length / 2
  const integers = [raw.subarray(0, half), raw.subarray(half)].map((bytes) => {
    const first = bytes.findIndex((byte) => byte !== 0)
    const trimmed = bytes.subarray(Math.max(0, first))
    const value = (trimmed[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.of(0), trimmed]) : trimmed
    return Buffer.concat([Buffer.of(0x02, value.length), value])
  })
  const body = Buffer.concat(integers)
  const length = body.length < 0x80 ? Buffer.of(body.length) : Buffer.of(0x81, body.length)
  return Buffer.concat([Buffer.of(0x30), length, body])
}

export interface KeylessOptions {
  /** An OIDC token: who signs is what it says. */
  readonly token: string
  readonly fulcioUrl: string
}

/** Signs with a key that exists for one signature, certified by Fulcio for whom the token names. */
export async function keylessSignatory(
  { token, fulcioUrl }: KeylessOptions,
  witnesses: readonly Witness[],
): Promise<Signatory> {
  const { FulcioSigner } = await import('@sigstore/sign')
  const maker = new FulcioSigner({
    fulcioBaseURL: fulcioUrl,
    identityProvider: { getToken: async () => token },
    timeout: commandTimeoutMs,
  })
  const warnings =
    witnesses.length > 0
      ? []
      : ['nothing proves the time: the signature counts only while its certificate is valid, some minutes']
  return { maker, witnesses, warnings }
}

export interface WitnessUrls {
  readonly rekorUrl?: string
  readonly timestampUrl?: string
}

/** The log and the timestamp authority that are to see each signature. */
export async function openWitnesses({ rekorUrl, timestampUrl }: WitnessUrls): Promise<Witness[]> {
  if (rekorUrl === undefined && timestampUrl === undefined) return []
  const { RekorWitness, TSAWitness } = await import('@sigstore/sign')
  return [
    ...(rekorUrl === undefined
      ? []
      : [new RekorWitness({ rekorBaseURL: rekorUrl, entryType: 'dsse', timeout: commandTimeoutMs })]),
    ...(timestampUrl === undefined
      ? []
      : [new TSAWitness({ tsaBaseURL: timestampUrl, timeout: commandTimeoutMs })]),
  ]
}
