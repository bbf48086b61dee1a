import { Type, type Static } from 'typebox'
import { digestOf } from '../../../kernel/digest.ts'
import { mediaTypes, type Descriptor } from '../../../kernel/media-types.ts'

/*
 * A bundle carries one version of the vulnerability database to where there is no connection: a tar of three
 * entries, in this order. The signature is over the bytes of the manifest, which has the digest of the database.
 */
export const bundleEntries = {
  manifest: 'manifest.json',
  /** The signature in base64: Ed25519, or ECDSA P-256 with SHA-256 in DER. Absent from a bundle that nobody signed. */
  signature: 'manifest.sig',
  database: 'database.sqlite.zst',
} as const

/** Limits of what is read before anything is believed. */
export const bundleLimits = { manifestBytes: 1024 * 1024, signatureBytes: 4096 } as const

export const bundleArtifactType = 'application/vnd.pratique.vulndb.v1'
export const bundleLayerType = 'application/vnd.pratique.vulndb.v1.tar'

export const BundleManifest = Type.Object({
  format: Type.Literal('pratique-vulndb-1'),
  version: Type.String({ pattern: '^\\d{14}-[0-9a-f]{1,16}$' }),
  createdAt: Type.String({ format: 'date-time' }),
  schemaVersion: Type.Integer(),
  /** Of the database, unpacked. */
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  sizeBytes: Type.Integer({ minimum: 1 }),
  sources: Type.Array(
    Type.Object({
      name: Type.String(),
      records: Type.Integer(),
      builtAt: Type.Optional(Type.String({ format: 'date-time' })),
    }),
    { maxItems: 10_000 },
  ),
})
export type BundleManifest = Static<typeof BundleManifest>

/** The OCI manifest under which a bundle lies in a registry (image-spec, "Guidelines for Artifact Usage"). */
export function bundleArtifact(
  bundle: Pick<Descriptor, 'digest' | 'size'>,
  manifest: BundleManifest,
): { readonly manifest: Buffer; readonly config: Buffer } {
  const config = Buffer.from('{}')
  const document = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    artifactType: bundleArtifactType,
    config: { mediaType: mediaTypes.ociEmpty, digest: digestOf(config), size: config.length },
    layers: [{ mediaType: bundleLayerType, digest: bundle.digest, size: bundle.size }],
    annotations: {
      'org.opencontainers.image.created': manifest.createdAt,
      'org.opencontainers.image.version': manifest.version,
    },
  }
  return { manifest: Buffer.from(JSON.stringify(document)), config }
}
