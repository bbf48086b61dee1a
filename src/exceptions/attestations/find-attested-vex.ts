import { buffer } from 'node:stream/consumers'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { isDigest, type Digest } from '../../kernel/digest.ts'
import { Failure } from '../../kernel/failure.ts'
import { findLinkedBlob, findManifest, listReferrers, type StoredManifest } from '../../registry/index.ts'
import {
  currentTrust,
  signatureClaim,
  verifyStored,
  type Trust,
  type VerifyParts,
} from '../../signing/index.ts'
import type { TrustedStatement } from '../apply-exceptions.ts'
import { readVex, readVexDocument } from '../vex/read-vex.ts'
import type { VexDocument } from '../vex/types.ts'

/** Work for one image is bounded, however much somebody attaches; what is not read quietens nothing. */
const maximumReferrers = 64
const maximumLayers = 8
const maximumBytes = 8 * 1024 * 1024
const documentTypes = ['application/openvex+json', 'application/vex+json', 'text/vex']
/** in-toto predicate types that carry VEX: OpenVEX's own, CycloneDX's and CSAF's. */
const predicateTypes =
  /^https:\/\/openvex\.dev\/ns(\/v[\d.]+)?$|^https:\/\/cyclonedx\.org\/(bom|vex)|^text\/vex$/

const Manifest = Type.Object({
  layers: Type.Array(Type.Object({ mediaType: Type.String(), digest: Type.String(), size: Type.Integer() })),
})

/**
 * What signers whose VEX is believed say of an image, in attestations attached to it or to an index that lists
 * it. An attestation has to name the digest as its subject: one of another image says nothing here.
 */
export async function findAttestedVex(
  parts: VerifyParts,
  repositoryId: string,
  digests: readonly string[],
): Promise<TrustedStatement[]> {
  const trust = await currentTrust(parts.database, parts.clock)
  if (trust.vexSigners.length === 0) return []
  const found: TrustedStatement[] = []
  for (const digest of digests.filter(isDigest)) {
    found.push(...(await fromAttestations(parts, repositoryId, digest, trust)))
    found.push(...(await fromDocuments(parts, repositoryId, digest, trust)))
  }
  return found
}

async function fromAttestations(
  parts: VerifyParts,
  repositoryId: string,
  digest: Digest,
  trust: Trust,
): Promise<TrustedStatement[]> {
  const { claims } = await verifyStored(parts, repositoryId, digest, trust)
  return claims.flatMap(({ claim, predicate, manifest, ...made }) => {
    const signer = made.by ?? made.signer
    if (!predicateTypes.test(claim) || !trust.vexSigners.includes(signer)) return []
    return statementsOf(() => readVexDocument(predicate), manifest, signer)
  })
}

/** A document without an envelope counts when its manifest refers to the image and is signed as images are. */
async function fromDocuments(
  parts: VerifyParts,
  repositoryId: string,
  digest: Digest,
  trust: Trust,
): Promise<TrustedStatement[]> {
  const found: TrustedStatement[] = []
  const referrers = await listReferrers(parts.database, repositoryId, digest, { limit: maximumReferrers })
  for (const referrer of referrers) {
    const manifest = await findManifest(parts.database, repositoryId, referrer.digest as Digest)
    if (manifest?.kind !== 'artifact' || manifest.subject !== digest) continue
    const documents = await readDocuments(parts, repositoryId, manifest)
    if (documents.length === 0) continue
    const { claims } = await verifyStored(parts, repositoryId, manifest.digest, trust)
    const signature = claims.find(
      ({ claim, by, signer }) => claim === signatureClaim && trust.vexSigners.includes(by ?? signer),
    )
    if (!signature) continue
    const signer = signature.by ?? signature.signer
    for (const text of documents) found.push(...statementsOf(() => readVex(text), manifest.digest, signer))
  }
  return found
}

/** What cannot be read as VEX says nothing. */
function statementsOf(read: () => VexDocument, source: Digest, signer: string): TrustedStatement[] {
  try {
    return read().statements.map((statement) => ({ ...statement, source, signer }))
  } catch (error) {
    if (error instanceof Failure) return []
    throw error
  }
}

async function readDocuments(
  { database, blobs }: VerifyParts,
  repositoryId: string,
  manifest: StoredManifest,
): Promise<string[]> {
  const document: unknown = JSON.parse(manifest.content.toString())
  if (!Value.Check(Manifest, document)) return []
  const texts: string[] = []
  for (const layer of document.layers.slice(0, maximumLayers)) {
    if (!documentTypes.includes(layer.mediaType) || !isDigest(layer.digest)) continue
    const blob = await findLinkedBlob(database, repositoryId, layer.digest)
    if (!blob || blob.size > maximumBytes) continue
    const bytes = await buffer(blobs.open(blob.location)).catch(() => undefined)
    if (bytes) texts.push(bytes.toString())
  }
  return texts
}
