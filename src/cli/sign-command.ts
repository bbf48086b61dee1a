import { generateKeyPairSync } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { Option, type Command } from 'commander'
import type { Signatory, SignatureForm, SignedSubject, SignRequest } from '../signing/offline.ts'
import { CommandError } from './client.ts'
import type { Context } from './commands.ts'
import { openImage } from './open-repository.ts'
import { print, printJson, shortDigest, wrap } from './print.ts'
import { readText } from './read-text.ts'
import { openSignatory, readPassword, withSignatory, type SignatoryOptions } from './signatory-options.ts'

interface SignOptions extends SignatoryOptions {
  readonly only?: SignatureForm
  readonly recursive: boolean
}

/** `pratique sign`, `attest`, `sign-blob` and `generate-key`. */
export function signCommands(program: Command, context: Context): void {
  withForms(withSignatory(program.command('sign <image>')), ['bundle', 'legacy', 'notation'])
    .option('--no-recursive', 'of an index, sign only the index itself')
    .summary('sign an image of the server or of any registry')
    .description('sign an image, and each platform of an index, under the name by which it is given')
    .action(async (image: string, options: SignOptions) => {
      const { signImage } = await import('../signing/offline.ts')
      const request = await prepare(context, image, options)
      show(context, await signImage(request), request)
    })
  attestCommand(program, context)
  signBlobCommand(program, context)
  generateKeyCommand(program, context)
}

function withForms(command: Command, forms: readonly SignatureForm[]): Command {
  return command.addOption(
    new Option('--only <form>', 'only this: bundle for cosign 3, legacy for skopeo').choices(forms),
  )
}

async function prepare(context: Context, image: string, options: SignOptions): Promise<SignRequest> {
  const signatory = await openLoudly(options)
  return {
    ...(await openImage(context, image)),
    signatory,
    forms: options.only === undefined ? formsOf(signatory) : [options.only],
    recursive: options.recursive,
    now: Date.now(),
  }
}

/** Opens who signs, and says what should be known of it. */
async function openLoudly(options: SignatoryOptions): Promise<Signatory> {
  const signatory = await openSignatory(options)
  for (const warning of signatory.warnings) process.stderr.write(`${wrap(`warning: ${warning}`)}\n`)
  return signatory
}

function formsOf({ notation }: Signatory): SignatureForm[] {
  return ['bundle', 'legacy', ...(notation ? ['notation' as const] : [])]
}

function show(
  context: Context,
  signed: readonly SignedSubject[],
  { repository, reference }: SignRequest,
): void {
  if (context.isJson()) return printJson(signed)
  const tag = reference.includes(':') ? `@${shortDigest(reference)}` : `:${reference}`
  print(`Signed ${repository.host}/${repository.name}${tag}`)
  for (const { subject, platform, attachments } of signed) {
    if (platform !== undefined) print(platform)
    print(`  image  ${subject}`)
    for (const { form, digest } of attachments)
      print(`  ${(form === 'notation' ? 'notary' : form).padEnd(6)} ${digest}`)
  }
}

/** Predicate types by the names that cosign gives them. */
const predicateTypes: Readonly<Record<string, string>> = {
  slsaprovenance1: 'https://slsa.dev/provenance/v1',
  slsaprovenance: 'https://slsa.dev/provenance/v0.2',
  cyclonedx: 'https://cyclonedx.org/bom',
  spdxjson: 'https://spdx.dev/Document',
  openvex: 'https://openvex.dev/ns',
  vex: 'https://openvex.dev/ns',
  'test-result': 'https://in-toto.io/attestation/test-result/v0.1',
  vsa: 'https://slsa.dev/verification_summary/v1',
}

/** The predicate type of a name, or the URI that was given. */
export function predicateTypeOf(text: string): string {
  const known = predicateTypes[text]
  if (known !== undefined) return known
  if (/^[a-z][a-z0-9+.-]*:/i.test(text)) return text
  throw new CommandError(
    `${text} is no predicate type: give a URI, or one of ${Object.keys(predicateTypes).join(', ')}`,
  )
}

function attestCommand(program: Command, context: Context): void {
  withForms(withSignatory(program.command('attest <image>')), ['bundle', 'legacy'])
    .summary('attest something of an image: provenance, SBOM, VEX, a test result')
    .description('attest something of an image: the content of a JSON file, as an in-toto statement')
    .requiredOption('--predicate <file>', 'what is attested, in JSON')
    .requiredOption('--type <type>', `a URI, or ${Object.keys(predicateTypes).join(', ')}`)
    .action(async (image: string, options: SignOptions & { predicate: string; type: string }) => {
      const { attestImage } = await import('../signing/offline.ts')
      const predicateType = predicateTypeOf(options.type)
      const predicate = readJson(options.predicate)
      const request = await prepare(context, image, { ...options, recursive: false })
      show(context, await attestImage({ ...request, predicateType, predicate }), request)
    })
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readText(file))
  } catch (error) {
    if (error instanceof CommandError) throw error
    throw new CommandError(`${file} is not JSON: ${(error as Error).message}`)
  }
}

function signBlobCommand(program: Command, context: Context): void {
  withSignatory(program.command('sign-blob <file>'))
    .description('sign a file; the signature goes into a Sigstore bundle beside it')
    .option('--bundle <file>', 'where the bundle is written; FILE.sigstore.json when not given')
    .action(async (file: string, options: SignatoryOptions & { bundle?: string }) => {
      const { signBytesBy } = await import('../signing/offline.ts')
      const { readFileSync } = await import('node:fs')
      const { bundle, signature } = await signBytesBy(await openLoudly(options), readFileSync(file))
      const target = options.bundle ?? `${file}.sigstore.json`
      writeFileSync(target, bundle)
      if (context.isJson()) {
        return printJson({ file, bundle: target, signature: signature.toString('base64') })
      }
      print(`Signed ${file}\n  ${target}`)
    })
}

function generateKeyCommand(program: Command, context: Context): void {
  program
    .command('generate-key <name>')
    .description('make a key pair on P-256: NAME.key, encrypted as cosign does it, and NAME.pub')
    .option('--password-file <file>', 'the passphrase; else PRATIQUE_KEY_PASSWORD, COSIGN_PASSWORD')
    .action(async (name: string, options: { passwordFile?: string }) => {
      const { sealPrivateKey } = await import('../signing/offline.ts')
      const password = readPassword(options)
      if (password === undefined) {
        throw new CommandError('give a passphrase in PRATIQUE_KEY_PASSWORD or with --password-file')
      }
      // Half a pair beside the half of another would be taken for one.
      if (existsSync(`${name}.pub`)) throw new CommandError(`${name}.pub is not written: it is there already`)
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      writeNew(`${name}.key`, await sealPrivateKey(privateKey, password), 0o600)
      writeNew(`${name}.pub`, publicKey.export({ type: 'spki', format: 'pem' }) as string, 0o644)
      if (context.isJson()) return printJson({ privateKey: `${name}.key`, publicKey: `${name}.pub` })
      print(`Wrote ${name}.key and ${name}.pub`)
      print(`Have it count with: pratique signer add NAME --key ${name}.pub`)
    })
}

/** A key that is there is never overwritten. */
function writeNew(file: string, text: string, mode: number): void {
  try {
    writeFileSync(file, text, { mode, flag: 'wx' })
  } catch (error) {
    throw new CommandError(`${file} is not written: ${(error as Error).message}`)
  }
}
