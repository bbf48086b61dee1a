import { randomUUID } from 'node:crypto'
import type { Database } from '../database/index.ts'
import type { Caller } from '../identity/index.ts'
import { isGlob } from '../kernel/glob.ts'
import { parseImageName } from '../kernel/reference.ts'
import { findRepository, resolveReference } from '../registry/index.ts'
import { requireAccessToAll } from './check-scope.ts'
import { ExceptionFailure } from './failures.ts'
import type { ExceptionParts } from './parts.ts'
import { recordChange } from './record-change.ts'
import { findSame, insertException } from './store.ts'
import type { Exception, ExceptionScope } from './types.ts'
import { parsePurl } from './vex/match-purl.ts'
import type { Justification, VexStatus } from './vex/types.ts'

const dayMs = 24 * 3_600_000

/** Where an exception is to hold, as people say it. */
export interface WantedScope {
  /** Pattern over repository names; the image's repository when only an image is given. */
  readonly repositories?: string
  /** `repository:tag` or `repository@digest`. */
  readonly image?: string
  readonly package?: string
  readonly base?: { readonly name: string; readonly version?: string }
}

export interface WantedException extends WantedScope {
  /** Or a rule. */
  readonly vulnerability?: string
  /** A rule of the policy, or one clause of it. */
  readonly rule?: { readonly name: string; readonly clause?: string }
  readonly status: VexStatus
  readonly justification?: Justification
  readonly reason: string
  readonly ticket?: string
  readonly until: number
}

/** Asks for an exception: anybody may who may pull all that it covers. Nothing changes until it is approved. */
export async function requestException(
  parts: ExceptionParts,
  caller: Caller,
  wanted: WantedException,
): Promise<Exception> {
  const { database, identity } = parts
  await identity.requireSignIn(caller)
  checkSubject(wanted)
  checkJustification(wanted)
  const now = identity.clock.now()
  checkUntil(wanted.until, now, parts.maximumDays)
  const scope = await findScope(database, wanted, (place) =>
    requireAccessToAll(database, identity, caller, 'pull', place),
  )
  const exception: Exception = {
    id: randomUUID(),
    state: 'requested',
    vulnerability: wanted.vulnerability ?? '',
    ...(wanted.rule === undefined ? {} : { rule: wanted.rule }),
    aliases: [],
    status: wanted.status,
    ...(wanted.justification === undefined ? {} : { justification: wanted.justification }),
    reason: wanted.reason,
    ...(wanted.ticket === undefined ? {} : { ticket: wanted.ticket }),
    scope,
    requestedBy: { subject: caller.principal.subject, name: caller.principal.name },
    requestedAt: now,
    until: wanted.until,
  }
  await database.transaction().execute(async (transaction) => {
    const same = await findSame(transaction, exception)
    if (same) throw new ExceptionFailure('EXCEPTION_TAKEN', `${same.id} asks for the same already`)
    await insertException(transaction, exception)
    await recordChange(parts, transaction, caller, 'requested', exception)
  })
  parts.wake()
  return exception
}

/** From a rule the risk is accepted, and nothing of a package or base is said. */
function checkSubject({ vulnerability, rule, status, package: purl, base }: WantedException): void {
  if ((vulnerability === undefined) === (rule === undefined)) {
    throw new ExceptionFailure('EXCEPTION_INVALID', 'name a vulnerability, or a rule of the policy')
  }
  if (rule && (status !== 'affected' || purl !== undefined || base !== undefined)) {
    throw new ExceptionFailure(
      'EXCEPTION_INVALID',
      'an exception from a rule accepts the risk (status affected) for images, not for packages or bases',
    )
  }
  if (rule?.clause !== undefined && rule.name !== 'signatures') {
    throw new ExceptionFailure('EXCEPTION_INVALID', 'only the rule signatures has clauses')
  }
}

/** OpenVEX 0.2.0, "Status Justifications": only what is not affected has one, and has to. */
function checkJustification({ status, justification }: WantedException): void {
  if (status === 'not_affected' && justification === undefined) {
    throw new ExceptionFailure('EXCEPTION_INVALID', 'not_affected needs a justification')
  }
  if (status !== 'not_affected' && justification !== undefined) {
    throw new ExceptionFailure(
      'EXCEPTION_INVALID',
      `a justification goes with not_affected, not with ${status}`,
    )
  }
}

/** Nothing holds for ever: code changes, and so does what is known of a vulnerability. */
export function checkUntil(until: number, now: number, maximumDays: number): void {
  if (!Number.isFinite(until) || until <= now) {
    throw new ExceptionFailure('EXCEPTION_INVALID', 'it would be over before it begins; give a later time')
  }
  if (until > now + maximumDays * dayMs) {
    throw new ExceptionFailure(
      'EXCEPTION_INVALID',
      `it may hold for ${maximumDays} days at the most; ask again then`,
    )
  }
}

/**
 * The scope that is meant. `requireAccess` is asked before an image is looked for, so that nobody learns from
 * the answer what there is.
 */
export async function findScope(
  database: Database,
  wanted: WantedScope,
  requireAccess: (scope: ExceptionScope) => Promise<void>,
): Promise<ExceptionScope> {
  const image = wanted.image === undefined ? undefined : parseImageName(wanted.image)
  const repositories = wanted.repositories ?? image?.repository
  if (repositories === undefined || !isGlob(repositories)) {
    throw new ExceptionFailure(
      'EXCEPTION_INVALID',
      repositories === undefined
        ? 'name an image, or a repository or pattern such as dev/** (** is the whole organisation)'
        : `${JSON.stringify(repositories)} is not a repository pattern such as dev/** or dev/*`,
    )
  }
  if (wanted.package !== undefined && !parsePurl(wanted.package)) {
    throw new ExceptionFailure(
      'EXCEPTION_INVALID',
      `${JSON.stringify(wanted.package)} is not a package URL such as pkg:npm/minimist@1.2.8`,
    )
  }
  const scope: ExceptionScope = {
    repositories,
    ...(wanted.package === undefined ? {} : { package: wanted.package }),
    ...(wanted.base === undefined ? {} : { base: wanted.base }),
  }
  await requireAccess(scope)
  if (!image) return scope
  await requireAccess({ repositories: image.repository })
  const repository = await findRepository(database, image.repository)
  const digest = repository && (await resolveReference(database, repository.id, image.reference))
  if (digest === undefined) {
    throw new ExceptionFailure('EXCEPTION_INVALID', `there is no image ${wanted.image}`)
  }
  return { ...scope, digest }
}
