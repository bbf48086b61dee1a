import { setTimeout as pause } from 'node:timers/promises'
import type { Selectable } from 'kysely'
import type { Database, Tables } from '../database/index.ts'
import type { Caller } from '../identity/index.ts'
import type { Clock } from '../kernel/clock.ts'
import type { Digest } from '../kernel/digest.ts'
import type { MayAccess, PullGate, RepositoryRef } from '../registry/index.ts'
import { countsAgainst } from './counts-against.ts'
import { PolicyFailure } from './failures.ts'
import { findVerdict } from './store.ts'
import type { RuleOutcome, Verdict, VerdictState } from './types.ts'

/** Pulls that may wait for a verdict at the same time; more are answered at once. */
const maximumWaiters = 200
const pollMs = 100
const digestsAtOnce = 500

type PullTarget = Parameters<PullGate>[0]['target']

export interface PullGateParts {
  readonly database: Database
  readonly clock: Clock
  readonly mayAccess: MayAccess
  readonly pullWaitMs: number
}

/** What decides whether content can be pulled: the best verdict among the manifests that bring it. */
interface Standing {
  readonly state: VerdictState | 'unknown'
  /** The manifest that the verdict is about. */
  readonly digest: Digest
  /** Signatures are bound to tags, and the one that was asked for is none of these. */
  readonly signedTags?: readonly string[]
}

/**
 * The gate in front of every manifest and blob. Cleared content goes through. What is pending goes through
 * for those who push there, because clients check what they pushed; for everybody else the pull waits a
 * moment for the verdict. Quarantined content is for those who approve. Whoever may sign reads manifests, never
 * layers, of what is not cleared: an image that waits for a signature could otherwise never get one. No verdict
 * means no. Nothing here depends on what a client says that it is.
 */
export function createPullGate(parts: PullGateParts): PullGate {
  let waiters = 0

  return async ({ caller, repository, target }) => {
    let standing = await standingOf(parts, repository, target)
    if (isOpen(standing)) return
    if (target.kind === 'manifest' && (await parts.mayAccess(caller, 'sign', repository.name))) return
    if (standing.state === 'pending' || standing.state === 'unknown') {
      if (await parts.mayAccess(caller, 'push', repository.name)) return
    }
    if (await parts.mayAccess(caller, 'approve', repository.name)) return
    if (standing.state === 'pending' && waiters < maximumWaiters) {
      waiters++
      try {
        standing = await waitForVerdict(repository, target)
      } finally {
        waiters--
      }
      if (isOpen(standing)) return
    }
    throw await refusal(parts.database, repository, standing, caller)
  }

  async function waitForVerdict(repository: RepositoryRef, target: PullTarget): Promise<Standing> {
    const deadline = performance.now() + parts.pullWaitMs
    let standing = await standingOf(parts, repository, target)
    while (standing.state === 'pending' && performance.now() < deadline) {
      await pause(pollMs)
      standing = await standingOf(parts, repository, target)
    }
    return standing
  }
}

function isOpen({ state, signedTags }: Standing): boolean {
  return state === 'cleared' && signedTags === undefined
}

async function standingOf(
  { database, clock }: Pick<PullGateParts, 'database' | 'clock'>,
  repository: RepositoryRef,
  target: PullTarget,
): Promise<Standing> {
  const query = database
    .selectFrom('verdict')
    .select(['verdict.digest', 'verdict.state', 'verdict.grace_until', 'verdict.allowed_tags'])
    .where('verdict.repository_id', '=', repository.id)
  const rows =
    target.kind === 'manifest'
      ? await query.where('verdict.digest', '=', target.digest).execute()
      : await query
          .innerJoin('manifest_reference', 'manifest_reference.manifest_digest', 'verdict.digest')
          .where('manifest_reference.target_digest', '=', target.digest)
          .where('manifest_reference.kind', 'in', ['config', 'layer'])
          .execute()
  const now = clock.now()
  const standings = rows.map((row): Standing => {
    return { state: stateOf(row, now), digest: row.digest as Digest, ...bindTag(row.allowed_tags, target) }
  })
  // The same bytes may belong to several images: one that is cleared makes them readable.
  for (const state of ['cleared', 'pending', 'recalled', 'quarantined'] as const) {
    const found = standings.find((standing) => standing.state === state)
    if (found) return found
  }
  return { state: 'unknown', digest: target.digest }
}

/** In its grace time, what was recalled is as good as cleared. */
function stateOf(
  row: Pick<Selectable<Tables['verdict']>, 'state' | 'grace_until'>,
  now: number,
): VerdictState {
  const isInGrace = row.state === 'recalled' && (row.grace_until ?? 0) > now
  return isInGrace ? 'cleared' : row.state
}

/** By digest, any tag of the repository is as good as another. */
function bindTag(
  allowedTags: string | null,
  { kind, tag }: PullTarget,
): Pick<Standing, 'signedTags'> | undefined {
  if (allowedTags === null || kind !== 'manifest' || tag === undefined) return undefined
  const signedTags = JSON.parse(allowedTags) as string[]
  return signedTags.includes(tag) ? undefined : { signedTags }
}

/** An image of which a node says that it has it. */
export interface HeldImage {
  readonly repository: string
  readonly digest: string
}

/** An image that could not be pulled now. */
export interface UnclearedImage extends HeldImage {
  readonly state: Exclude<VerdictState, 'cleared'>
  /** The state, and what counts against it. */
  readonly reasons: readonly string[]
}

/**
 * Which of these images could not be pulled now, and why: by the verdicts that decide pulls, so that what is said of a
 * running image is what its next pull would be told. What is in no repository any more is not said to be bad.
 */
export async function listUncleared(
  { database, clock }: Pick<PullGateParts, 'database' | 'clock'>,
  images: readonly HeldImage[],
): Promise<UnclearedImage[]> {
  const held = new Map(images.map((one) => [`${one.repository}@${one.digest}`, one]))
  const digests = [...new Set(images.map(({ digest }) => digest))]
  const now = clock.now()
  const found: UnclearedImage[] = []
  for (let at = 0; at < digests.length; at += digestsAtOnce) {
    const rows = await database
      .selectFrom('verdict')
      .innerJoin('repository', 'repository.id', 'verdict.repository_id')
      .select(['repository.name', 'verdict.digest', 'state', 'grace_until', 'reasons'])
      .where('verdict.digest', 'in', digests.slice(at, at + digestsAtOnce))
      .where('state', '!=', 'cleared')
      .execute()
    for (const row of rows) {
      const image = held.get(`${row.name}@${row.digest}`)
      const state = stateOf(row, now)
      if (!image || state === 'cleared') continue
      const against = (JSON.parse(row.reasons) as RuleOutcome[]).filter(countsAgainst).map(say)
      found.push({ ...image, state, reasons: [state, ...against] })
    }
  }
  return found
}

async function refusal(
  database: Database,
  repository: RepositoryRef,
  standing: Standing,
  caller: Caller,
): Promise<PolicyFailure> {
  const image = `${repository.name}@${standing.digest}`
  const verdict = await findVerdict(database, repository.id, standing.digest)
  return new PolicyFailure('DENIED', explain(image, standing, verdict), {
    detail: { image, verdict: standing.state, reasons: verdict?.reasons ?? [], for: caller.principal.name },
  })
}

function explain(image: string, { state, signedTags }: Standing, verdict: Verdict | undefined): string {
  const why = (verdict?.reasons ?? []).filter(countsAgainst).map(say)
  const because = why.length > 0 ? `: ${why.join('; ')}` : ''
  switch (state) {
    case 'cleared': {
      const named = signedTags?.join(', ') || 'none'
      return `${image} is not signed under this tag (its signatures are bound to tags: ${named}); sign it again under this one`
    }
    case 'pending':
      return `${image} is pending and cannot be pulled yet${because}. Try again in a moment`
    case 'recalled':
      return `${image} was recalled and its grace time is over${because}`
    case 'unknown':
      return `${image} has not been judged, so it cannot be pulled`
    default:
      return `${image} is quarantined${because}. Somebody with the right "approve" can release it`
  }
}

function say({ rule, message }: RuleOutcome): string {
  return `rule ${rule}: ${message}`
}
