import { createHash, createPublicKey, sign } from 'node:crypto'
import type { ServerKey } from './server-key.ts'

export const bundleMediaType = 'application/vnd.dev.sigstore.bundle.v0.3+json'
export const statementType = 'application/vnd.in-toto+json'

/** What a statement is about and says (in-toto attestation framework, "Statement v1"). */
export interface Statement {
  readonly subject: { readonly name: string; readonly digest: string }
  readonly predicateType: string
  readonly predicate: unknown
}

/** The bytes of a statement (in-toto attestation framework, "Statement v1"). */
export function encodeStatement({ subject, predicateType, predicate }: Statement): Buffer {
  const colon = subject.digest.indexOf(':')
  const digest = { [subject.digest.slice(0, colon)]: subject.digest.slice(colon + 1) }
  return Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: subject.name, digest }],
      predicateType,
      predicate,
    }),
  )
}

/**
 * Signs a statement with the server's key: a DSSE envelope in a Sigstore bundle (version 0.3) whose key is named by
 * the digest of its public half, as cosign does it for plain keys.
 */
export function signStatement({ privateKey, publicKeyPem }: ServerKey, statement: Statement): Buffer {
  const payload = encodeStatement(statement)
  const der = createPublicKey(publicKeyPem).export({ type: 'spki', format: 'der' })
  return Buffer.from(
    JSON.stringify({
      mediaType: bundleMediaType,
      verificationMaterial: {
        publicKey: { hint: createHash('sha256').update(der).digest('base64') },
        tlogEntries: [],
      },
      dsseEnvelope: {
        payload: payload.toString('base64'),
        payloadType: statementType,
        signatures: [{ sig: sign('sha256', encode(statementType, payload), privateKey).toString('base64') }],
      },
    }),
  )
}

/** DSSE, "Pre-Authentication Encoding": what is really signed. */
function encode(type: string, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.length} `), payload])
}
