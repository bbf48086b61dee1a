import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { Claim, Rejection, Signer } from '../signing/offline.ts'
import { CommandError, exitCodes } from './client.ts'
import type { Context } from './commands.ts'
import { print, printJson, wrap } from './print.ts'
import { readText } from './read-text.ts'
import { signerOf, withIdentity, type IdentityOptions } from './signer-identity.ts'

interface BlobOptions extends IdentityOptions {
  readonly bundle?: string
  readonly signature?: string
  readonly certificate?: string
  readonly logEntry?: string
}

/** `pratique verify-blob`: by whom a file is signed, on this machine. */
export function verifyBlobCommand(program: Command, context: Context): void {
  withIdentity(program.command('verify-blob <file>'))
    .summary('verify who signed a file')
    .description(
      'verify who signed a file, from the Sigstore bundle or the signature beside it; exit code 1 when they did not',
    )
    .option('--bundle <file>', 'the bundle; FILE.sigstore.json when not given')
    .option('--signature <file>', 'a detached signature in base64, in place of a bundle')
    .option('--certificate <file>', 'of the detached signature, in PEM or base64 of PEM')
    .option('--log-entry <file>', "its entry in the log, as Rekor's API gives it")
    .action(async (file: string, options: BlobOptions) => verifyBlob(context, file, options))
}

const maximumBlobBytes = 2 * 1024 ** 3 - 1

async function verifyBlob(context: Context, file: string, options: BlobOptions): Promise<void> {
  const [{ verifyBlobBundle }, { digestOf }] = await Promise.all([
    import('../signing/offline.ts'),
    import('../kernel/digest.ts'),
  ])
  const signer = await signerOf(options)
  const bytes = readBytes(file)
  const digest = digestOf(bytes)
  const bundle = await readBundle(file, bytes, options, signer)
  const outcome = await verifyBlobBundle(bundle, { digest, bytes }, [signer], Date.now())
  const isVerified = outcome.status === 'verified'
  process.exitCode = isVerified ? exitCodes.pass : exitCodes.policySaysNo
  const hint = isVerified ? undefined : hintFor(options)
  if (context.isJson()) return printJson({ file, digest, isVerified, ...outcome, ...(hint ? { hint } : {}) })
  show(file, digest, outcome, hint)
}

/** What is beside the file, as a bundle. */
async function readBundle(
  file: string,
  bytes: Buffer,
  { bundle, signature, certificate, logEntry }: BlobOptions,
  { identity }: Signer,
): Promise<Buffer> {
  const { bundleOfDetached, readOldBundle } = await import('../signing/offline.ts')
  if (signature === undefined) {
    if (certificate !== undefined || logEntry !== undefined) {
      throw new CommandError('--certificate and --log-entry belong to --signature; a bundle has its own')
    }
    const content = readBytes(bundle ?? `${file}.sigstore.json`)
    const old = isOld(content) ? readOldBundle(content.toString()) : undefined
    return old ? bundleOfDetached(bytes, old) : content
  }
  if (bundle !== undefined) throw new CommandError('give --bundle or --signature, not both')
  if (identity.kind === 'certificate' && certificate === undefined) {
    throw new CommandError('a signature without a bundle needs its certificate too: --certificate')
  }
  return bundleOfDetached(bytes, {
    signature: readText(signature),
    ...(certificate === undefined ? {} : { certificate: readText(certificate) }),
    ...(logEntry === undefined ? {} : { logEntry: readText(logEntry) }),
  })
}

/** cosign 1 and 2 wrote bundles of their own; what is said of any other is said by its verification. */
function isOld(content: Buffer): boolean {
  return content.subarray(0, 256 * 1024).includes('"base64Signature"') && !content.includes('"mediaType"')
}

/** A certificate that lived for minutes cannot be judged by what has no time in it, and that has a remedy. */
function hintFor({ certificate, logEntry }: BlobOptions): string | undefined {
  if (certificate === undefined || logEntry !== undefined) return undefined
  return (
    'a signature and certificate beside a file prove no time, and a certificate that lives for minutes counts at ' +
    'no other: give the entry of the log (--log-entry), or a bundle'
  )
}

function show(file: string, digest: string, outcome: Claim | Rejection, hint: string | undefined): void {
  print(`${outcome.status}: ${file}\n  ${digest}`)
  if (outcome.status !== 'verified') print(wrap(outcome.why, '  '))
  else {
    const { provenAt, certificate } = outcome
    if (certificate) print(wrap(`certificate of ${certificate.subject}`, '  '))
    if (provenAt !== undefined) print(`  signed by ${new Date(provenAt).toISOString()}, proven`)
  }
  if (hint !== undefined) print(wrap(hint, '  '))
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
