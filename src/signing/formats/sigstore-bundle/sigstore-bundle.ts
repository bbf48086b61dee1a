import type { Digest } from '../../../kernel/digest.ts'
import type { Claim, Envelope, Rejection, SignatureFormat, VerificationQuestion } from '../../types.ts'
import { findSigner } from './find-signer.ts'
import { bundleVersionOf, parseBundle } from './parse-bundle.ts'
import { readStatement } from './read-statement.ts'
import { malformed } from './refusal.ts'
import { toOutcome } from './to-outcome.ts'

/**
 * Sigstore bundles as cosign 3 attaches them: a signed in-toto statement, of which a plain signature is one kind.
 * What a bundle says is taken from what was signed, never from annotations. The manifest has to be a bundle by its
 * own artifact type, and the layer of the same version as the bundle in it: what calls itself by two names is
 * malformed.
 */
export const sigstoreBundle: SignatureFormat = {
  name: 'sigstore-bundle',
  // Bills of materials travel in statements, in base64.
  maximumBytes: 16 * 1024 * 1024,
  envelopesOf: ({ layers }) => layers.filter(({ mediaType }) => bundleVersionOf(mediaType) !== undefined),
  verify,
}

function verify(envelope: Envelope, question: VerificationQuestion): Promise<Claim | Rejection> {
  const { attachment, layer, bytes } = envelope
  const place = {
    format: 'sigstore-bundle',
    manifest: attachment.digest,
    layer: layer.digest as Digest,
  } as const
  return toOutcome(place, async (knows) => {
    const bundle = parseBundle(bytes)
    checkTypes(envelope, bundle.version)
    if (!('dsse' in bundle.content)) throw malformed('it signs a file, and says nothing of an image')
    const said = readStatement(bundle.content.dsse.payload, [question.subject.digest])
    knows(said)
    return { said, by: await findSigner(bundle.content.dsse, bundle.material, question) }
  })
}

function checkTypes({ attachment, layer }: Envelope, version: string): void {
  if (bundleVersionOf(attachment.artifactType ?? '') === undefined) {
    throw malformed(
      `the manifest's artifact type is ${attachment.artifactType ?? 'missing'}, which is no bundle`,
    )
  }
  if (bundleVersionOf(layer.mediaType) !== version) {
    throw malformed(`a layer of the type ${layer.mediaType} holds a bundle of version ${version}`)
  }
}
