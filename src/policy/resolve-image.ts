import type { Database } from '../database/index.ts'
import type { Digest } from '../kernel/digest.ts'
import type { Platform } from '../kernel/media-types.ts'
import { formatImageName, parseImageName } from '../kernel/reference.ts'
import {
  findManifest,
  findRepository,
  resolveReference,
  type RepositoryRef,
  type StoredManifest,
} from '../registry/index.ts'
import { PolicyFailure } from './failures.ts'

/** An image that somebody named. */
export interface NamedImage {
  readonly repository: RepositoryRef
  readonly manifest: StoredManifest
}

/** Finds `repository[:tag][@digest]`. Throws NAME_INVALID and the like, or IMAGE_UNKNOWN. */
export async function resolveImage(database: Database, name: string): Promise<NamedImage> {
  const image = parseImageName(name)
  const repository = await findRepository(database, image.repository)
  const digest = repository && (await resolveReference(database, repository.id, image.reference))
  const manifest = digest && (await findManifest(database, repository.id, digest))
  if (!repository || !manifest) {
    throw new PolicyFailure('IMAGE_UNKNOWN', `there is no image ${formatImageName(image)}`)
  }
  return { repository, manifest }
}

/** The images that a runtime would choose from: of an index its children, nested ones too, otherwise itself. */
export async function platformImages(
  database: Database,
  { repository, manifest }: NamedImage,
  depth = 0,
): Promise<{ digest: Digest; platform?: string }[]> {
  if (manifest.kind === 'image') return [{ digest: manifest.digest }]
  if (manifest.kind !== 'index' || depth > 4) return []
  const { manifests } = JSON.parse(manifest.content.toString()) as {
    manifests: readonly { digest: Digest; platform?: Platform }[]
  }
  const found: { digest: Digest; platform?: string }[] = []
  for (const { digest, platform } of manifests) {
    const child = await findManifest(database, repository.id, digest)
    if (!child) continue
    const images = await platformImages(database, { repository, manifest: child }, depth + 1)
    const shown = platform && [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/')
    found.push(...images.map((image) => (shown ? { platform: shown, ...image } : image)))
  }
  return found
}
