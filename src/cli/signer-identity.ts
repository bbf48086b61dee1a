import type { Command } from 'commander'
import type { Signer } from '../signing/offline.ts'
import type { IdentityBody } from '../signing/wire.ts'
import { CommandError } from './client.ts'
import { readText } from './read-text.ts'

/** How a signer is named on a command line. */
export interface IdentityOptions {
  readonly key?: string
  readonly identity?: string
  readonly identityGlob?: string
  readonly issuer?: string
  readonly trustedRoot?: string
  readonly ca?: readonly string[]
  readonly withoutLog?: boolean
  readonly withoutSct?: boolean
  readonly notationCa?: readonly string[]
  readonly notationSubject?: string
  readonly tsa?: readonly string[]
  readonly gpgKey?: string
}

/** Adds the options that name a signer of any kind. */
export function withIdentity(command: Command): Command {
  return command
    .option('--key <file>', 'public key in PEM: ECDSA, RSA or Ed25519')
    .option('--identity <name>', 'name in the certificate: e-mail, URI or DNS name')
    .option('--identity-glob <name>', 'the same with * and **, over the whole name')
    .option('--issuer <url>', 'OIDC issuer in the certificate')
    .option('--trusted-root <file>', "Sigstore's trusted_root.json of a certificate or a key")
    .option('--ca <file...>', 'authorities of a PKI in PEM, in place of --trusted-root')
    .option('--without-log', 'count signatures without an entry in a transparency log')
    .option('--without-sct', 'count certificates without a certificate timestamp')
    .option('--notation-ca <file...>', 'Notary Project: root certificates in PEM')
    .option('--notation-subject <name>', 'Notary Project: "C=DE, O=acme, CN=release", or *')
    .option('--tsa <file...>', 'root certificates of timestamp authorities in PEM')
    .option('--gpg-key <file>', 'OpenPGP public key, ASCII-armored')
}

/** The identity that the options name. Exactly one kind has to be named. */
export async function readIdentity(options: IdentityOptions): Promise<IdentityBody> {
  const isCertificate = options.identity !== undefined || options.identityGlob !== undefined
  const kinds = [
    // A key may have a trusted root beside it, for the times that logs prove.
    options.key !== undefined,
    isCertificate,
    options.notationCa !== undefined,
    options.gpgKey !== undefined,
  ]
  if (kinds.filter(Boolean).length !== 1) {
    throw new CommandError('name one signer: --key, --identity[-glob], --notation-ca or --gpg-key')
  }
  if (options.gpgKey !== undefined) return { kind: 'openpgp', publicKey: readText(options.gpgKey) }
  if (options.notationCa !== undefined) return readNotation(options)
  if (isCertificate) return readCertificate(options)
  return {
    kind: 'key',
    publicKey: readText(options.key as string),
    ...(options.trustedRoot === undefined && options.tsa === undefined
      ? {}
      : { trustedRoot: await readTrustedRoot(options) }),
  }
}

/** The signer that the options name, of whom nothing else is known. */
export async function signerOf(options: IdentityOptions): Promise<Signer> {
  const identity = (await readIdentity(options)) as Signer['identity']
  return { name: 'the signer', identity, state: 'active' }
}

function readNotation({ notationCa = [], notationSubject, tsa = [] }: IdentityOptions): IdentityBody {
  if (notationSubject === undefined) {
    throw new CommandError('--notation-ca needs --notation-subject: "C=…, ST=…, O=…", or * for any')
  }
  return {
    kind: 'notation',
    authorities: notationCa.map(readText),
    timestampAuthorities: tsa.map(readText),
    subject: notationSubject,
  }
}

async function readCertificate(options: IdentityOptions): Promise<IdentityBody> {
  const { identity, identityGlob, issuer, withoutLog, withoutSct } = options
  if (identity !== undefined && identityGlob !== undefined) {
    throw new CommandError('give --identity or --identity-glob, not both')
  }
  return {
    kind: 'certificate',
    trustedRoot: await readTrustedRoot(options),
    subject: (identity ?? identityGlob) as string,
    match: identity === undefined ? 'glob' : 'exact',
    ...(issuer === undefined ? {} : { issuer }),
    ...(withoutLog ? { withoutLog } : {}),
    ...(withoutSct ? { withoutSct } : {}),
  }
}

async function readTrustedRoot({ trustedRoot, ca, tsa }: IdentityOptions): Promise<string> {
  if (trustedRoot !== undefined) return readText(trustedRoot)
  if (ca === undefined && tsa === undefined) {
    throw new CommandError('a certificate identity needs --trusted-root or --ca')
  }
  const { trustedRootFromCertificates } = await import('../signing/offline.ts')
  return trustedRootFromCertificates({
    authorities: (ca ?? []).map(readText),
    timestampAuthorities: (tsa ?? []).map(readText),
  })
}
