import type { Digest } from '../kernel/digest.ts'
import type { RepositoryName } from '../kernel/reference.ts'
import { decideVerdict } from './decide-verdict.ts'
import { gatherEvidence, type EvidenceParts } from './gather-evidence.ts'
import { parsePolicy, rulesFor } from './policy-document.ts'
import { evaluateRules } from './rules/index.ts'
import { findManualDecision, findVerdict } from './store.ts'
import type { CheckBody } from './wire.ts'

/** Images that a check looks at, and changes that it shows. */
const maximumImages = 10_000
const maximumShown = 200

/** What would become of the stored images under another policy. Nothing is changed. */
export async function checkPolicy(parts: EvidenceParts, text: string): Promise<CheckBody> {
  const { database, clock } = parts
  const document = parsePolicy(text)
  const rows = await database
    .selectFrom('verdict')
    .innerJoin('repository', 'repository.id', 'verdict.repository_id')
    .innerJoin('manifest', 'manifest.digest', 'verdict.digest')
    .select(['repository.id', 'repository.name', 'verdict.digest'])
    .where('manifest.kind', '=', 'image')
    .orderBy('repository.name')
    .limit(maximumImages)
    .execute()
  const changes: CheckBody['changes'] = []
  for (const row of rows) {
    const name = row.name as RepositoryName
    const previous = await findVerdict(database, row.id, row.digest)
    const outcomes = evaluateRules(
      rulesFor(document, name),
      await gatherEvidence(parts, row, row.digest as Digest),
    )
    const next = decideVerdict({
      outcomes,
      previous,
      manual: await findManualDecision(database, row.id, row.digest),
      policyVersion: 0,
      recallGraceMs: (document.recallGraceHours ?? 72) * 3_600_000,
      now: clock.now(),
    })
    if (!previous || previous.state === next.state || changes.length >= maximumShown) continue
    const because = next.reasons.filter(({ outcome }) => outcome !== 'pass').map(({ message }) => message)
    changes.push({ image: `${name}@${row.digest}`, from: previous.state, to: next.state, because })
  }
  return { stages: document.stages.map(({ name }) => name), judged: rows.length, changes }
}
