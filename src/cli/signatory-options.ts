import { createPublicKey } from 'node:crypto'
import type { Command } from 'commander'
import type { Signatory } from '../signing/offline.ts'
import { CommandError } from './client.ts'
import { readText } from './read-text.ts'

/** Who signs, as named on a command line. */
export interface SignatoryOptions {
  readonly key?: string
  readonly passwordFile?: string
  readonly certificateChain?: string
  readonly command?: string
  readonly publicKey?: string
  readonly fulcio?: string
  readonly identityToken?: string
  readonly rekor?: string
  readonly timestampServer?: string
}

/** Adds the options that say who signs. */
export function withSignatory(command: Command): Command {
  return command
    .option('--key <file>', 'private key: PKCS#8, PKCS#1, SEC1, or encrypted by cosign or skopeo')
    .option('--password-file <file>', 'its passphrase; else PRATIQUE_KEY_PASSWORD, COSIGN_PASSWORD')
    .option('--certificate-chain <file>', 'of the key, in PEM: sign for the Notary Project too')
    .option('--command <program>', 'sign with a program: the bytes on its input, DER on its output')
    .option('--public-key <file>', 'of the key with which the program signs')
    .option('--fulcio <url>', 'sign without a key: a certificate from here for whom the token names')
    .option('--identity-token <file>', 'OIDC token; else PRATIQUE_IDENTITY_TOKEN')
    .option('--rekor <url>', 'enter the signature into this transparency log')
    .option('--timestamp-server <url>', 'have its time attested (RFC 3161)')
}

/** Opens the key, program or authority that the options name. Exactly one has to be named. */
export async function openSignatory(options: SignatoryOptions): Promise<Signatory> {
  const signing = await import('../signing/offline.ts')
  const { key, command, fulcio, rekor, timestampServer } = options
  if ([key, command, fulcio].filter((one) => one !== undefined).length !== 1) {
    throw new CommandError('name who signs: --key, --command or --fulcio')
  }
  const witnesses = await signing.openWitnesses({
    ...(rekor === undefined ? {} : { rekorUrl: rekor }),
    ...(timestampServer === undefined ? {} : { timestampUrl: timestampServer }),
  })
  if (fulcio !== undefined) {
    return signing.keylessSignatory({ token: readToken(options), fulcioUrl: fulcio }, witnesses)
  }
  if (command !== undefined) {
    if (options.publicKey === undefined) throw new CommandError('--command needs --public-key')
    // Words, not a shell: what has blanks in it belongs into a script.
    const words = command.split(/\s+/).filter((word) => word !== '')
    return signing.commandSignatory(words, createPublicKey(readText(options.publicKey)), witnesses)
  }
  const password = readPassword(options)
  const privateKey = await signing.openPrivateKey(readText(key as string), password)
  const { certificateChain: chain } = options
  return signing.keySignatory(privateKey, witnesses, chain === undefined ? undefined : readText(chain))
}

/** The passphrase of a private key, from a file or the environment; an empty one is one. */
export function readPassword({ passwordFile }: Pick<SignatoryOptions, 'passwordFile'>): string | undefined {
  if (passwordFile !== undefined) return readText(passwordFile).replace(/\r?\n$/, '')
  return process.env['PRATIQUE_KEY_PASSWORD'] ?? process.env['COSIGN_PASSWORD']
}

function readToken({ identityToken }: SignatoryOptions): string {
  const token = identityToken === undefined ? process.env['PRATIQUE_IDENTITY_TOKEN'] : readText(identityToken)
  if (token === undefined || token.trim() === '') {
    throw new CommandError('--fulcio needs an OIDC token: --identity-token or PRATIQUE_IDENTITY_TOKEN')
  }
  return token.trim()
}
