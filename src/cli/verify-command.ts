import { Option, type Command } from 'commander'
import type { RemoteManifest, RemoteRepository } from '../registry/offline.ts'
import type { Claim, Rejection, Verification } from '../signing/offline.ts'
import { CommandError, exitCodes } from './client.ts'
import type { Context } from './commands.ts'
import { openImage } from './open-repository.ts'
import { print, printJson, wrap } from './print.ts'
import { predicateTypeOf } from './sign-command.ts'
import { signerOf, withIdentity, type IdentityOptions } from './signer-identity.ts'
import { verifyBlobCommand } from './verify-blob-command.ts'

interface VerifyOptions extends IdentityOptions {
  readonly claim?: string
  readonly bind: Binding
}

/** As `bindReference` of policies. */
const bindings = ['none', 'named', 'repository', 'tag'] as const
type Binding = (typeof bindings)[number]

/** `pratique verify` and `verify-blob`: by whom something is signed, on this machine, whatever a server says. */
export function verifyCommands(program: Command, context: Context): void {
  verifyCommand(program, context)
  verifyBlobCommand(program, context)
}

function verifyCommand(program: Command, context: Context): void {
  withIdentity(program.command('verify <image>'))
    .summary('verify who signed an image of the server or of any registry')
    .description(
      'verify on this machine who signed an image; exit code 1 when the signer did not, 3 when it cannot be told',
    )
    .option('--claim <type>', 'verify an attestation of this type in place of a signature')
    .addOption(
      new Option('--bind <how>', 'count only what names this image, so far; see docs/policy.md')
        .choices(bindings)
        .default('named'),
    )
    .action(async (image: string, options: VerifyOptions) => verify(context, image, options))
}

async function verify(context: Context, text: string, options: VerifyOptions): Promise<void> {
  const { signatureClaim, sourceOf, verifyImage } = await import('../signing/offline.ts')
  const wanted = options.claim === undefined ? signatureClaim : predicateTypeOf(options.claim)
  const signer = await signerOf(options)
  const { repository, reference, tag } = await openImage(context, text)
  const { digest, mediaType, bytes } = await getImage(repository, reference)
  const verification = await verifyImage(
    sourceOf(async () => repository),
    { digest, mediaType, size: bytes.length },
    [signer],
    Date.now(),
  )
  const asked = { repository: `${repository.host}/${repository.name}`, ...(tag === undefined ? {} : { tag }) }
  const strayed = await findStrayed(verification.claims, options.bind, asked)
  const claims = verification.claims.filter((one) => one.claim === wanted && !strayed.has(one))
  process.exitCode =
    claims.length > 0
      ? exitCodes.pass
      : verification.unavailable === undefined
        ? exitCodes.policySaysNo
        : exitCodes.undetermined
  if (context.isJson()) return printJson({ ...verification, isVerified: claims.length > 0 })
  showVerification(verification, wanted, claims, strayed)
}

/** A registry that does not answer leaves open what is so; that is no error of whoever asks. */
async function getImage(repository: RemoteRepository, reference: string): Promise<RemoteManifest> {
  const { RemoteFailure } = await import('../registry/offline.ts')
  const name = `${repository.host}/${repository.name}`
  try {
    const manifest = await repository.findManifest(reference)
    if (manifest) return manifest
  } catch (error) {
    if (!(error instanceof RemoteFailure) || error.code !== 'TARGET_UNREACHABLE') throw error
    throw new CommandError(`it cannot be told: ${error.message}`, exitCodes.undetermined)
  }
  throw new CommandError(`${name} has no image ${reference}`)
}

/** The claims that name another image than was asked for, with the reason. */
async function findStrayed(
  claims: readonly Claim[],
  bind: Binding,
  asked: { readonly repository: string; readonly tag?: string },
): Promise<ReadonlyMap<Claim, string>> {
  if (bind === 'none') return new Map()
  const { isNamed, readSignedReference } = await import('../policy/offline.ts')
  const why = ({ reference, claim }: Claim): string | undefined => {
    const hasToName = bind !== 'named' && claim === 'signature'
    if (reference === undefined) return hasToName ? 'it names no image' : undefined
    const named = readSignedReference(reference)
    if (!named || !isNamed(named, [asked.repository])) return 'it names another image'
    return bind === 'tag' && hasToName && named.tag !== asked.tag ? 'it names another tag' : undefined
  }
  return new Map(claims.flatMap((claim) => (why(claim) ? [[claim, why(claim) as string]] : [])))
}

function showVerification(
  verification: Verification,
  wanted: string,
  claims: readonly Claim[],
  strayed: ReadonlyMap<Claim, string>,
): void {
  const { subject, status, rejections, unavailable } = verification
  const word = claims.length > 0 ? 'verified' : status === 'verified' ? 'not claimed' : status
  print(`${word}: ${wanted}`)
  print(`  ${subject}`)
  for (const claim of verification.claims) showClaim(claim, strayed.get(claim))
  for (const rejection of rejections) showRejection(rejection)
  if (unavailable !== undefined) print(wrap(`not everything could be looked at: ${unavailable}`, '  '))
}

function showClaim(claim: Claim, strayed?: string): void {
  const { format, keyAlgorithm, manifest, reference, provenAt, claimedAt, certificate } = claim
  print(`  ${strayed === undefined ? 'good' : 'stray'}  ${claim.claim}`.replace('stray  ', 'stray '))
  if (strayed !== undefined) print(`        does not count: ${strayed}`)
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
