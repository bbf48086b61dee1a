import type { Database } from '../database/index.ts'
import { IdentityFailure, type Caller, type Identity } from '../identity/index.ts'
import { matchesGlob } from '../kernel/glob.ts'
import { projectNameOf, type RepositoryName } from '../kernel/reference.ts'
import { exceptionsNear } from './store.ts'
import type { Exception } from './types.ts'

/** An approved exception from a rule, as it holds for an image now. */
export interface RuleException {
  readonly id: string
  readonly rule: string
  /** Only this clause of the rule on signatures. */
  readonly clause?: string
  /** `organisation`: whatever level asks. `project shop`: only what that project itself asks. */
  readonly authority: string
  readonly reason: string
  readonly approvedBy: string
  readonly until: number
}

/** The exceptions from rules that hold now for an image in a repository, or for an index that lists it. */
export async function findRuleExceptions(
  database: Database,
  place: { readonly repository: string; readonly digests: readonly string[]; readonly now: number },
): Promise<RuleException[]> {
  const near = await exceptionsNear(database, place, 'rules')
  return near
    .filter(({ scope }) => matchesGlob(scope.repositories, place.repository))
    .flatMap(({ id, rule, authority, reason, decision, until }) =>
      rule === undefined || authority === undefined
        ? []
        : [
            {
              id,
              rule: rule.name,
              ...(rule.clause === undefined ? {} : { clause: rule.clause }),
              authority,
              reason,
              approvedBy: decision?.by.name ?? '',
              until,
            },
          ],
    )
}

/**
 * On whose authority somebody approves an exception from a rule: that of the organisation for its administrators, that
 * of a project for those who administer it. Throws DENIED for everybody else: whoever may only approve there did not
 * set any rule.
 */
export async function authorityOver(
  identity: Pick<Identity, 'requireAdministrator'>,
  caller: Caller,
  { scope }: Exception,
): Promise<string> {
  if (await administers(identity, caller)) return 'organisation'
  const project = projectNameOf(scope.repositories as RepositoryName)
  if (!project.includes('*') && (await administers(identity, caller, project))) return `project ${project}`
  throw new IdentityFailure(
    'DENIED',
    'an exception from a rule is approved by those who set it: an administrator of the organisation, or of the project',
  )
}

async function administers(
  identity: Pick<Identity, 'requireAdministrator'>,
  caller: Caller,
  project?: string,
): Promise<boolean> {
  try {
    await identity.requireAdministrator(caller, project)
    return true
  } catch (error) {
    if (error instanceof IdentityFailure) return false
    throw error
  }
}
