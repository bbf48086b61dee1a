import type { VulnerabilityDatabases } from './vulndb/open-vulnerability-database.ts'
import type { ImportReport } from './vulndb/import-advisories.ts'
import type { ImportBody, VulndbStatus } from './wire.ts'

const dayMs = 24 * 3_600_000

/** Version, age and sources of the database in use; no version before the first import. */
export function describeDatabase(vulnerabilities: VulnerabilityDatabases, now: number): VulndbStatus {
  const database = vulnerabilities.current()
  if (!database) return { sources: [] }
  return {
    version: database.version,
    builtAt: new Date(database.builtAt).toISOString(),
    ageDays: Math.round(((now - database.builtAt) / dayMs) * 10) / 10,
    sources: database.sources.map(({ name, records, builtAt, checkedAt, error }) => ({
      name,
      records,
      ...(builtAt === 0 ? {} : { builtAt: new Date(builtAt).toISOString() }),
      ...(checkedAt === undefined ? {} : { checkedAt: new Date(checkedAt).toISOString() }),
      ...(error === undefined ? {} : { error }),
    })),
  }
}

/** What an import did, as it goes over the wire. */
export function describeImport({ sources, errors, unchanged, failed, ...report }: ImportReport): ImportBody {
  return {
    ...report,
    sources: [...sources],
    errors: [...errors],
    ...(unchanged ? { unchanged: [...unchanged] } : {}),
    ...(failed ? { failed: [...failed] } : {}),
  }
}
