import type { Migration } from 'kysely'
import { audit } from './0001-audit.ts'
import { identity } from './0002-identity.ts'
import { jobs } from './0003-jobs.ts'
import { registry } from './0004-registry.ts'
import { scanning } from './0005-scanning.ts'
import { trust } from './0006-trust.ts'
import { policy } from './0007-policy.ts'
import { exceptions } from './0008-exceptions.ts'
import { notifications } from './0009-notifications.ts'
import { packages } from './0010-packages.ts'
import { serverKey } from './0011-server-key.ts'
import { coverage } from './0012-coverage.ts'
import { signers } from './0013-signers.ts'
import { projectPolicies } from './0014-project-policies.ts'
import { ruleExceptions } from './0015-rule-exceptions.ts'
import { nodes } from './0016-nodes.ts'

/** Every change of the schema, in the order of their names. A released one is never edited. */
export const migrations: Record<string, Migration> = {
  '0001-audit': audit,
  '0002-identity': identity,
  '0003-jobs': jobs,
  '0004-registry': registry,
  '0005-scanning': scanning,
  '0006-trust': trust,
  '0007-policy': policy,
  '0008-exceptions': exceptions,
  '0009-notifications': notifications,
  '0010-packages': packages,
  '0011-server-key': serverKey,
  '0012-coverage': coverage,
  '0013-signers': signers,
  '0014-project-policies': projectPolicies,
  '0015-rule-exceptions': ruleExceptions,
  '0016-nodes': nodes,
}
