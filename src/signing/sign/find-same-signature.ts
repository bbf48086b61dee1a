import { isDigest, type Digest } from '../../kernel/digest.ts'
import { mediaTypes } from '../../kernel/media-types.ts'
import type { RemoteRepository } from '../../registry/offline.ts'
import { signatureTag } from '../collect-attachments.ts'
import { parseBundle } from '../formats/sigstore-bundle/parse-bundle.ts'
import { isSignedBy } from '../keys/verification-key.ts'
import { bundleMediaType, encodeStatement, type Statement } from '../sign-statement.ts'
import type { VerificationKey } from '../types.ts'
import { readLayers, signatureAnnotation } from './attachments.ts'
import type { Signatory } from './signatory.ts'

/*
 * Whoever signs what is signed already, as a pipeline does each night, would fill what can hang on an image. ECDSA
 * signatures are never twice the same, so what is compared is what was signed, and by which key.
 */

/** More than this is not looked through: another signature is then made. */
const maximumReferrers = 100
const maximumBundleBytes = 64 * 1024

/** A key whose signature now would say no more than one of before: no log and no authority is to witness the time. */
function repeatable({ publicKey, witnesses }: Signatory): VerificationKey | undefined {
  return witnesses.length === 0 ? publicKey : undefined
}

/** The manifest under the `.sig` tag, when it holds this key's signature of the same payload but for the time. */
export async function findSameLegacy(
  repository: RemoteRepository,
  signatory: Signatory,
  payload: Buffer,
  subject: Digest,
): Promise<Digest | undefined> {
  const key = repeatable(signatory)
  const tag = signatureTag(subject)
  const manifest = key && (await repository.findManifest(tag))
  if (!manifest) return undefined
  for (const { mediaType, digest, size, annotations } of readLayers(manifest.bytes, tag)) {
    const signature = Buffer.from(annotations?.[signatureAnnotation] ?? '', 'base64')
    // A payload of another length says something else: times have ten digits until the year 2286.
    if (mediaType !== mediaTypes.cosignSimpleSigning || size !== payload.length || !isDigest(digest)) continue
    const held = await repository.findBlob(digest, size)
    if (!held || withoutTime(held) !== withoutTime(payload)) continue
    if (isSignedBy(key, held, signature)) return manifest.digest
  }
  return undefined
}

function withoutTime(payload: Buffer): string {
  return payload.toString('latin1').replace(/"timestamp":\d+/, '"timestamp":0')
}

/** A referrer that holds this key's signature of the same statement. */
export async function findSameBundle(
  repository: RemoteRepository,
  signatory: Signatory,
  statement: Statement,
  subject: Digest,
): Promise<Digest | undefined> {
  const key = repeatable(signatory)
  if (!key) return undefined
  const payload = encodeStatement(statement)
  for (const digest of await repository.listReferrers(subject, maximumReferrers)) {
    const bundle = await readBundle(repository, digest)
    if (bundle?.payload.equals(payload) && isSignedBy(key, bundle.message, bundle.signature)) return digest
  }
  return undefined
}

async function readBundle(
  repository: RemoteRepository,
  digest: Digest,
): Promise<{ payload: Buffer; message: Buffer; signature: Buffer } | undefined> {
  const manifest = await repository.findManifest(digest)
  try {
    const { layers } = JSON.parse(manifest?.bytes.toString() ?? '') as {
      layers?: { mediaType: string; digest: string; size: number }[]
    }
    const layer = layers?.find(
      ({ mediaType, size }) => mediaType === bundleMediaType && size <= maximumBundleBytes,
    )
    if (!layer || !isDigest(layer.digest)) return undefined
    const bytes = await repository.findBlob(layer.digest, maximumBundleBytes)
    const content = bytes && parseBundle(bytes).content
    return content && 'dsse' in content ? content.dsse : undefined
  } catch {
    // What cannot be read is not the same, and whoever verifies is told of it.
    return undefined
  }
}
