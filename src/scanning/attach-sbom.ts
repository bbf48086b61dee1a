import { systemCaller } from '../identity/index.ts'
import { digestOf, type Digest } from '../kernel/digest.ts'
import { mediaTypes } from '../kernel/media-types.ts'
import type { RepositoryName } from '../kernel/reference.ts'
import { listReferrers, pushManifest, storeBlobBytes, type RegistryParts } from '../registry/index.ts'
import { makeSbom } from './sbom/make-sbom.ts'
import type { Inventory } from './types.ts'

const predicateType = 'https://cyclonedx.org/bom'
const sbomDigestAnnotation = 'io.pratique.sbom.digest'
/** Referrers of one type that are looked through for an attestation of the same SBOM. */
const maximumReferrers = 1_000

/** Signs a statement with the server's key. */
export type SignStatement = (statement: {
  readonly subject: { readonly name: string; readonly digest: string }
  readonly predicateType: string
  readonly predicate: unknown
}) => Promise<{ readonly mediaType: string; readonly bytes: Buffer }>

export interface AttachParts {
  readonly registry: RegistryParts
  readonly signStatement: SignStatement
}

export interface Subject {
  readonly digest: Digest
  readonly size: number
  readonly mediaType: string
}

export interface Attachment {
  readonly artifactType: string
  readonly content: Buffer
  readonly annotations: Readonly<Record<string, string>>
}

/**
 * Attaches the SBOM to an image in every repository that holds it, plain and as a signed attestation, as any
 * client would. The same SBOM is attested once.
 */
export async function attachSbom(parts: AttachParts, subject: Subject, inventory: Inventory): Promise<void> {
  const { database } = parts.registry
  const sbom = await makeSbom(subject.digest, inventory)
  const repositories = await database
    .selectFrom('repository_manifest')
    .innerJoin('repository', 'repository.id', 'repository_manifest.repository_id')
    .select(['repository.id', 'repository.name'])
    .where('digest', '=', subject.digest)
    .execute()
  for (const { id, name } of repositories) {
    const repository = { id, name: name as RepositoryName }
    await attach(parts.registry, repository, subject, {
      artifactType: mediaTypes.cycloneDx,
      content: sbom,
      annotations: { 'org.opencontainers.image.title': 'sbom.cdx.json' },
    })
    await attest(parts, repository, subject, sbom)
  }
}

async function attest(
  parts: AttachParts,
  repository: { readonly id: string; readonly name: RepositoryName },
  subject: Subject,
  sbom: Buffer,
): Promise<void> {
  const sbomDigest = digestOf(sbom)
  const { mediaType, bytes } = await parts.signStatement({
    subject: { name: repository.name, digest: subject.digest },
    predicateType,
    predicate: JSON.parse(sbom.toString()),
  })
  const known = await listReferrers(parts.registry.database, repository.id, subject.digest, {
    artifactType: mediaType,
    limit: maximumReferrers,
  })
  if (known.some(({ annotations }) => annotations?.[sbomDigestAnnotation] === sbomDigest)) return
  await attach(parts.registry, repository, subject, {
    artifactType: mediaType,
    content: bytes,
    annotations: {
      'dev.sigstore.bundle.content': 'dsse-envelope',
      'dev.sigstore.bundle.predicateType': predicateType,
      [sbomDigestAnnotation]: sbomDigest,
    },
  })
}

/** Pushes content that refers to an image. Gives the digest of its manifest. */
export async function attach(
  registry: RegistryParts,
  repository: { readonly id: string; readonly name: RepositoryName },
  subject: Subject,
  { artifactType, content, annotations }: Attachment,
  caller = systemCaller('scanner'),
): Promise<Digest> {
  const empty = Buffer.from('{}')
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      artifactType,
      config: { mediaType: mediaTypes.ociEmpty, digest: digestOf(empty), size: empty.length },
      layers: [{ mediaType: artifactType, digest: digestOf(content), size: content.length }],
      subject,
      annotations,
    }),
  )
  await storeBlobBytes(registry, repository.id, empty)
  await storeBlobBytes(registry, repository.id, content)
  await pushManifest(registry, {
    repository: repository.name,
    reference: { kind: 'digest', digest: digestOf(manifest) },
    tags: [],
    contentType: mediaTypes.ociManifest,
    content: manifest,
    caller,
  })
  return digestOf(manifest)
}
