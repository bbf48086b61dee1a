import type { BaseMatch } from '../baseimages/index.ts'
import type { Database } from '../database/index.ts'
import type { Finding, Inventory } from '../scanning/index.ts'
import { applyExceptions } from './apply-exceptions.ts'
import type { VerifyParts } from '../signing/index.ts'
import { findAttestedVex } from './attestations/find-attested-vex.ts'
import { exceptionsNear } from './store.ts'
import type { ImageFacts } from './vex/matches.ts'

/** An image as it is to be judged. */
export interface JudgedImage {
  readonly repositoryId: string
  /** Whose exceptions hold: the image's own repository, or the one that it is to be promoted into. */
  readonly repository: string
  readonly digest: string
  readonly inventory: Inventory | undefined
  readonly base: BaseMatch
}

/**
 * The findings of an image, each with the approved exception or the trusted VEX statement that holds for it
 * now. Those whose exception is marked `isSuppressed` do not count against the image.
 */
export async function judgeFindings(
  parts: VerifyParts,
  image: JudgedImage,
  findings: readonly Finding[],
  now: number,
): Promise<Finding[]> {
  if (findings.length === 0) return []
  const facts = await gatherFacts(parts.database, image)
  const digests = [facts.digest, ...facts.parents]
  const exceptions = await exceptionsNear(parts.database, { repository: image.repository, digests, now })
  const attested = await findAttestedVex(parts, image.repositoryId, digests)
  return applyExceptions(findings, exceptions, facts, now, attested)
}

/** What exceptions and statements ask of an image. */
export async function gatherFacts(
  database: Database,
  { repositoryId, repository, digest, inventory, base }: JudgedImage,
): Promise<ImageFacts> {
  const { name, version, layers } = base
  return {
    digest,
    repository,
    parents: await parentsOf(database, repositoryId, digest),
    ...(name === undefined || version === undefined || layers === undefined
      ? {}
      : { base: { name, version, layers } }),
    packages: inventory?.packages ?? [],
  }
}

async function parentsOf(database: Database, repositoryId: string, digest: string): Promise<string[]> {
  const rows = await database
    .selectFrom('manifest_reference')
    .innerJoin('repository_manifest', 'repository_manifest.digest', 'manifest_reference.manifest_digest')
    .select('repository_manifest.digest')
    .where('manifest_reference.target_digest', '=', digest)
    .where('manifest_reference.kind', '=', 'manifest')
    .where('repository_manifest.repository_id', '=', repositoryId)
    .limit(100)
    .execute()
  return rows.map((row) => row.digest)
}
