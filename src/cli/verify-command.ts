import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { Claim, Rejection, Signer, Verification } from '../signing/offline.ts'
import { CommandError, exitCodes } from './client.ts'
import type { Context } from './commands.ts'
import { openImage } from './open-repository.ts'
import { print, printJson, wrap } from './print.ts'
import { predicateTypeOf } from './sign-command.ts'
import { readIdentity, withIdentity, type IdentityOptions } from './signer-identity.ts'

interface VerifyOptions extends IdentityOptions {
  readonly claim?: string
}

/** `pratique verify` and `verify-blob`: by whom something is signed, on this machine, whatever a server says. */
export function verifyCommands(program: Command, context: Context): void {
  withIdentity(program.command('verify <image>'))
    .summary('verify who signed an image of the server or of any registry')
    .description(
      'verify on this machine who signed an image; exit code 1 when the signer did not, 3 when it cannot be told',
    )
    .option('--claim <type>', 'verify an attestation of this type in place of a signature')
    .action(async (image: string, options: VerifyOptions) => verify(context, image, options))
  withIdentity(program.command('verify-blob <file>'))
    .description('verify who signed a file, from the Sigstore bundle beside it')
    .option('--bundle <file>', 'the bundle; FILE.sigstore.json when not given')
    .option('--signature <file>', 'a detached signature in base64, in place of a bundle')
    .action(async (file: string, options: BlobOptions) => verifyBlob(context, file, options))
}

async function signerOf(options: IdentityOptions): Promise<Signer> {
  const identity = await readIdentity(options)
  return { name: 'the signer', identity: identity as Signer['identity'], state: 'active' }
}

async function verify(context: Context, text: string, options: VerifyOptions): Promise<void> {
  const { signatureClaim, sourceOf, verifyImage } = await import('../signing/offline.ts')
  const wanted = options.claim === undefined ? signatureClaim : predicateTypeOf(options.claim)
  const signer = await signerOf(options)
  const { repository, reference } = await openImage(context, text)
  const manifest = await repository.findManifest(reference)
  if (!manifest) throw new CommandError(`there is no image ${text}`)
  const { digest, mediaType, bytes } = manifest
  const verification = await verifyImage(
    sourceOf(async () => repository),
    { digest, mediaType, size: bytes.length },
    [signer],
    Date.now(),
  )
  const claims = verification.claims.filter(({ claim }) => claim === wanted)
  process.exitCode =
    claims.length > 0
      ? exitCodes.pass
      : verification.unavailable === undefined
        ? exitCodes.policySaysNo
        : exitCodes.undetermined
  if (context.isJson()) return printJson({ ...verification, isVerified: claims.length > 0 })
  showVerification(verification, wanted, claims)
}

function showVerification(verification: Verification, wanted: string, claims: readonly Claim[]): void {
  const { subject, status, rejections, unavailable } = verification
  const word = claims.length > 0 ? 'verified' : status === 'verified' ? 'not claimed' : status
  print(`${word}: ${wanted}`)
  print(`  ${subject}`)
  for (const claim of verification.claims) showClaim(claim)
  for (const rejection of rejections) showRejection(rejection)
  if (unavailable !== undefined) print(wrap(`not everything could be looked at: ${unavailable}`, '  '))
}

function showClaim(claim: Claim): void {
  const { format, keyAlgorithm, manifest, reference, provenAt, claimedAt, certificate } = claim
  print(`  good  ${claim.claim}`)
  print(`        ${format}, ${keyAlgorithm}`)
  print(`        ${manifest}`)
  if (reference !== undefined) print(`        names ${reference}`)
  if (certificate) {
    print(
      wrap(`certificate of ${certificate.subject}, issued to it by ${certificate.issuer ?? '-'}`, '        '),
    )
  }
  const proofs = [claim.isLogged ? 'a log' : '', claim.isTimestamped ? 'an authority' : ''].filter(Boolean)
  if (provenAt !== undefined) {
    print(`        signed by ${new Date(provenAt).toISOString()}, proven by ${proofs.join(' and ')}`)
  } else if (claimedAt !== undefined) {
    print(`        signed at ${new Date(claimedAt).toISOString()}, says the signer`)
  }
}

function showRejection({ status, format, manifest, why }: Rejection): void {
  print(`  bad   ${format}, ${status}`)
  print(`        ${manifest}`)
  print(wrap(why, '        '))
}

interface BlobOptions extends IdentityOptions {
  readonly bundle?: string
  readonly signature?: string
}

const maximumBlobBytes = 2 * 1024 ** 3 - 1

async function verifyBlob(context: Context, file: string, options: BlobOptions): Promise<void> {
  const { digestOf } = await import('../kernel/digest.ts')
  const signer = await signerOf(options)
  const bytes = readBytes(file)
  const outcome =
    options.signature === undefined
      ? await verifyBundle(readBytes(options.bundle ?? `${file}.sigstore.json`), bytes, signer)
      : await verifyDetached(options.signature, bytes, signer)
  const isVerified = outcome.status === 'verified'
  process.exitCode = isVerified ? exitCodes.pass : exitCodes.policySaysNo
  const digest = digestOf(bytes)
  if (context.isJson()) return printJson({ file, digest, isVerified, ...outcome })
  print(`${outcome.status}: ${file}\n  ${digest}`)
  if (outcome.why !== undefined) print(wrap(outcome.why, '  '))
  const { provenAt, certificate } = outcome
  if (certificate) print(`  certificate of ${certificate.subject}`)
  if (provenAt !== undefined) print(`  signed by ${new Date(provenAt).toISOString()}, proven`)
}

type BlobOutcome = Partial<Pick<Claim, 'provenAt' | 'certificate' | 'keyAlgorithm'>> & {
  readonly status: string
  readonly why?: string
}

async function verifyBundle(bundle: Buffer, bytes: Buffer, signer: Signer): Promise<BlobOutcome> {
  const { verifyBlobBundle } = await import('../signing/offline.ts')
  const { digestOf } = await import('../kernel/digest.ts')
  return verifyBlobBundle(bundle, { digest: digestOf(bytes), bytes }, [signer], Date.now())
}

/** A bare signature carries no time: only a key can have made it, since a certificate's time would be unknown. */
async function verifyDetached(file: string, bytes: Buffer, { identity }: Signer): Promise<BlobOutcome> {
  const { isSignedBy, parseVerificationKey } = await import('../signing/offline.ts')
  if (identity.kind !== 'key') {
    throw new CommandError(
      'a signature beside a file proves no time, so a short-lived certificate cannot be judged by it; ' +
        'give the bundle (--bundle), which has the entry of the log',
    )
  }
  const key = parseVerificationKey(identity.publicKey)
  const signature = Buffer.from(readBytes(file).toString().trim(), 'base64')
  return isSignedBy(key, bytes, signature)
    ? { status: 'verified', keyAlgorithm: key.algorithm }
    : { status: 'untrusted', why: 'the key did not make this signature of this file' }
}

function readBytes(file: string): Buffer {
  try {
    const bytes = readFileSync(file)
    if (bytes.length > maximumBlobBytes) throw new Error(`it has more than ${maximumBlobBytes} bytes`)
    return bytes
  } catch (error) {
    throw new CommandError(`${file} cannot be read: ${(error as Error).message}`)
  }
}
