import type { Database, DatabaseTransaction } from '../../database/index.ts'
import type { Digest } from '../../kernel/digest.ts'
import { tagsOf } from '../../registry/index.ts'
import type { Verification } from '../types.ts'

/** One image of which a signer has said something. */
export interface SignedImage {
  readonly repository: string
  readonly digest: string
  readonly tags: readonly string[]
  readonly claim: string
  readonly verdict: string | undefined
  /** Nobody else has said it: without this signer nothing is left. */
  readonly isOnlySigner: boolean
}

const shownTags = 20

/** Writes down who is known to have signed an image, in place of what was known before. */
export async function saveClaims(
  transaction: DatabaseTransaction,
  repositoryId: string,
  digest: Digest,
  { claims }: Verification,
): Promise<void> {
  await transaction
    .deleteFrom('image_claim')
    .where('repository_id', '=', repositoryId)
    .where('digest', '=', digest)
    .execute()
  const made = new Map(
    claims.map(({ by, signer, claim }) => [`${by ?? signer} ${claim}`, { signer: by ?? signer, claim }]),
  )
  if (made.size === 0) return
  await transaction
    .insertInto('image_claim')
    .values([...made.values()].map((claim) => ({ repository_id: repositoryId, digest, ...claim })))
    .execute()
}

/** The images that hang on a signer, a page at a time in the order of repository, digest and claim. */
export async function listSignedImages(
  database: Database,
  signer: string,
  page: { readonly limit: number; readonly after?: string },
  mayRead: (repository: string) => Promise<boolean>,
): Promise<{ readonly items: readonly SignedImage[]; readonly next?: string }> {
  const { repository = '', digest = '', claim = '' } = parseAfter(page.after)
  const rows = await database
    .selectFrom('image_claim')
    .innerJoin('repository', 'repository.id', 'image_claim.repository_id')
    .leftJoin('verdict', (join) =>
      join
        .onRef('verdict.repository_id', '=', 'image_claim.repository_id')
        .onRef('verdict.digest', '=', 'image_claim.digest'),
    )
    .select(['repository.id', 'repository.name', 'image_claim.digest', 'claim', 'verdict.state'])
    .where('signer', '=', signer)
    .where((expression) =>
      expression(
        expression.refTuple('repository.name', 'image_claim.digest', 'claim'),
        '>',
        expression.tuple(repository, digest, claim),
      ),
    )
    .orderBy('repository.name')
    .orderBy('image_claim.digest')
    .orderBy('claim')
    .limit(page.limit)
    .execute()
  const items: SignedImage[] = []
  for (const row of rows) {
    if (!(await mayRead(row.name))) continue
    items.push({
      repository: row.name,
      digest: row.digest,
      tags: await tagsOf(database, row.id, row.digest, shownTags),
      claim: row.claim,
      verdict: row.state ?? undefined,
      isOnlySigner: await isOnlySigner(database, row.id, row.digest, row.claim),
    })
  }
  const last = rows.at(-1)
  const isLast = rows.length < page.limit || !last
  return { items, ...(isLast ? {} : { next: `${last.name}@${last.digest} ${last.claim}` }) }
}

function parseAfter(after: string | undefined): { repository?: string; digest?: string; claim?: string } {
  const match = /^([^@ ]+)@([^ ]+) (.+)$/.exec(after ?? '')
  return match ? { repository: match[1]!, digest: match[2]!, claim: match[3]! } : {}
}

async function isOnlySigner(
  database: Database,
  repositoryId: string,
  digest: string,
  claim: string,
): Promise<boolean> {
  const rows = await database
    .selectFrom('image_claim')
    .select('signer')
    .where('repository_id', '=', repositoryId)
    .where('digest', '=', digest)
    .where('claim', '=', claim)
    .limit(2)
    .execute()
  return rows.length < 2
}
