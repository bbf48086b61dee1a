import type { Digest } from '../kernel/digest.ts'
import { countsAgainst } from './counts-against.ts'
import type { CheckedDocuments } from './check-documents.ts'
import { FleetJudge, type FleetImage, type Judged } from './fleet-judge.ts'
import type { EvidenceParts } from './gather-evidence.ts'
import { tagsOf } from '../registry/index.ts'
import { findVerdict } from './store.ts'
import type { Verdict } from './types.ts'
import type { CheckBody } from './wire.ts'

/** Images that a check looks at, and changes that it shows. */
const maximumImages = 10_000
const maximumShown = 200

type Change = CheckBody['changes'][number]

/** What would become of the stored images under other documents, and where. Nothing is changed. */
export async function checkPolicy(
  parts: EvidenceParts,
  { documents, stages, warnings }: CheckedDocuments,
  /** Only the repositories of this project. */
  project?: string,
): Promise<CheckBody> {
  const fleet = new FleetJudge(parts, documents)
  const images = await listFleet(parts, project)
  const blockers = new Map<string, CheckBody['blockers'][number]>()
  const changes: Change[] = []
  const counts = { changed: 0, wouldBlock: 0 }
  for (const image of images) {
    const before = await findVerdict(parts.database, image.id, image.digest)
    if (!before) continue
    const judged = await fleet.judge(image)
    const change = await describeChange(parts, image, before, judged)
    if (!change) continue
    counts.changed++
    if (change.unpullableAt !== undefined || change.refusedTags) {
      counts.wouldBlock++
      for (const { level, rule } of change.blockedBy) count(blockers, level, rule)
    }
    if (changes.length < maximumShown) changes.push(change)
  }
  return {
    stages: [...stages],
    judged: images.length,
    ...counts,
    blockers: [...blockers.values()].toSorted((left, right) => right.images - left.images),
    changes,
    warnings: [...warnings],
  }
}

async function listFleet({ database }: EvidenceParts, project: string | undefined): Promise<FleetImage[]> {
  let query = database
    .selectFrom('verdict')
    .innerJoin('repository', 'repository.id', 'verdict.repository_id')
    .innerJoin('manifest', 'manifest.digest', 'verdict.digest')
    .select(['repository.id', 'repository.name', 'verdict.digest', 'manifest.kind'])
    .where('manifest.kind', 'in', ['image', 'index'])
  if (project !== undefined) {
    query = query
      .innerJoin('project', 'project.id', 'repository.project_id')
      .where('project.name', '=', project)
  }
  const rows = await query.orderBy('repository.name').orderBy('verdict.digest').limit(maximumImages).execute()
  return rows.map((row) => ({ ...row, digest: row.digest as Digest }))
}

/** Undefined when the image stays what it is. */
async function describeChange(
  { database, clock }: EvidenceParts,
  { id, name, digest }: FleetImage,
  before: Verdict,
  { verdict, signedTags }: Judged,
): Promise<Change | undefined> {
  const now = clock.now()
  const tags = await tagsOf(database, id, digest)
  const wasPullable =
    before.state === 'cleared' || (before.state === 'recalled' && (before.graceUntil ?? 0) > now)
  const refusedTags = wasPullable && signedTags ? tags.filter((tag) => !signedTags.includes(tag)) : []
  if (before.state === verdict.state && refusedTags.length === 0) return undefined
  const counted = verdict.reasons.filter(countsAgainst)
  const blockedBy =
    verdict.state === 'cleared' && refusedTags.length > 0
      ? [{ level: '-', rule: 'signatures' }]
      : counted.map(({ rule, level = '-' }) => ({ rule, level }))
  return {
    image: `${name}@${digest}`,
    repository: name,
    tags,
    from: before.state,
    to: verdict.state,
    because: [
      ...counted.map(({ message }) => message),
      ...(refusedTags.length > 0 ? [`not signed under the tags ${refusedTags.join(', ')}`] : []),
    ],
    blockedBy: [...new Map(blockedBy.map((one) => [`${one.rule} ${one.level}`, one])).values()],
    ...(wasPullable && verdict.state !== 'cleared'
      ? { unpullableAt: new Date(verdict.graceUntil ?? now).toISOString() }
      : {}),
    ...(refusedTags.length > 0 ? { refusedTags } : {}),
  }
}

function count(blockers: Map<string, CheckBody['blockers'][number]>, level: string, rule: string): void {
  const key = `${level} ${rule}`
  blockers.set(key, { level, rule, images: (blockers.get(key)?.images ?? 0) + 1 })
}
