import type { Database } from '../database/index.ts'
import type { Clock } from '../kernel/clock.ts'
import { digestOf } from '../kernel/digest.ts'
import { currentPolicy, listProjectPolicies } from '../policy/index.ts'
import { currentTrust, getServerKey, signStatement, type Signer } from '../signing/index.ts'
import { collectScopes } from './collect-scopes.ts'
import { trustPredicateType } from './trust-document.ts'
import type { RuntimeTrust } from './types.ts'
import type { TrustQuery } from './wire.ts'

const dayMs = 86_400_000
/** Repositories that are looked at for a scope of their own. */
const maximumRepositories = 20_000

export interface IssueParts {
  readonly database: Database
  readonly clock: Clock
  /** How long nodes may work with it. */
  readonly trustDays: number
}

/** What nodes are to trust now, signed by the server: a DSSE statement in a Sigstore bundle. */
export async function issueTrust(parts: IssueParts, query: TrustQuery): Promise<Buffer> {
  const trust = await collectTrust(parts, query)
  return signTrust(trust, (statement) =>
    getServerKey(parts.database, parts.clock).then((key) => signStatement(key, statement)),
  )
}

async function collectTrust(
  { database, clock, trustDays }: IssueParts,
  { registry, insecure = false }: TrustQuery,
): Promise<RuntimeTrust> {
  const { version, document: organisation } = await currentPolicy(database)
  const projects = new Map(
    (await listProjectPolicies(database)).map(({ project, document }) => [project, document]),
  )
  const repositories = await database
    .selectFrom('repository')
    .select('name')
    .orderBy('name')
    .limit(maximumRepositories)
    .execute()
  const { hosts, mirrors = {} } = organisation.organisation ?? {}
  const now = clock.now()
  return {
    registry,
    insecure,
    scopes: collectScopes(
      { organisation, projects },
      repositories.map(({ name }) => name),
    ),
    signers: (await currentTrust(database, clock)).signers.map(publicParts),
    names: { ...(hosts ? { hosts } : {}), mirrors },
    issuedAt: now,
    expiresAt: now + trustDays * dayMs,
    policyVersion: version,
  }
}

type Sign = (statement: Parameters<typeof signStatement>[1]) => Promise<Buffer>

/** The statement is about its own predicate: nothing else is there to be about. */
async function signTrust(trust: RuntimeTrust, sign: Sign): Promise<Buffer> {
  // As it will be read: members that are undefined are gone.
  const predicate = JSON.parse(JSON.stringify(trust)) as RuntimeTrust
  return sign({
    subject: { name: trust.registry, digest: digestOf(JSON.stringify(predicate)) },
    predicateType: trustPredicateType,
    predicate,
  })
}

function publicParts({ name, identity, state, revokedFrom, expiresAt, countsAs }: Signer): Signer {
  return {
    name,
    identity,
    state,
    ...(revokedFrom === undefined ? {} : { revokedFrom }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(countsAs === undefined ? {} : { countsAs }),
  }
}
