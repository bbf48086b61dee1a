import type { Database, DatabaseTransaction } from '../database/index.ts'
import { describeCoverage } from './matching/match-inventory.ts'
import type { Coverage } from './types.ts'
import type { VulnerabilityDatabase } from './vulndb/open-vulnerability-database.ts'

/** Writes down who speaks now for the ecosystems that stored images have packages of. */
export async function saveCoverage(
  transaction: DatabaseTransaction,
  vulnerabilities: VulnerabilityDatabase,
): Promise<void> {
  await forgetUnused(transaction)
  const ecosystems = await transaction.selectFrom('known_package').select('ecosystem').distinct().execute()
  await transaction.deleteFrom('advisory_coverage').execute()
  for (const { ecosystem } of ecosystems) {
    for (const { source, builtAt, checkedAt, endOfLife } of describeCoverage(ecosystem, vulnerabilities)) {
      await transaction
        .insertInto('advisory_coverage')
        .values({
          ecosystem,
          source,
          built_at: builtAt ?? null,
          checked_at: checkedAt ?? null,
          end_of_life: endOfLife ?? null,
        })
        .execute()
    }
  }
}

/** Packages that no stored image has any more. */
async function forgetUnused(transaction: DatabaseTransaction): Promise<void> {
  await transaction
    .deleteFrom('known_package')
    .where((expression) =>
      expression.not(
        expression.exists(
          expression
            .selectFrom('image_package')
            .select('digest')
            .whereRef('image_package.package_key', '=', 'known_package.key'),
        ),
      ),
    )
    .execute()
}

/** The coverage of a report with the dates of today; where none are written down, those of its matching. */
export async function renewCoverage(
  database: Database | DatabaseTransaction,
  coverage: readonly Coverage[],
): Promise<Coverage[]> {
  if (coverage.length === 0) return []
  const ecosystems = [...new Set(coverage.map(({ ecosystem }) => ecosystem))]
  const rows = await database
    .selectFrom('advisory_coverage')
    .selectAll()
    .where('ecosystem', 'in', ecosystems)
    .orderBy('source')
    .execute()
  const byEcosystem = Map.groupBy(rows, ({ ecosystem }) => ecosystem)
  return ecosystems.flatMap((ecosystem) => {
    const before = coverage.filter((entry) => entry.ecosystem === ecosystem)
    const packages = before[0]?.packages ?? 0
    const known = byEcosystem.get(ecosystem)
    if (!known) return before
    return known.map((row): Coverage => ({
      ecosystem,
      packages,
      source: row.source,
      ...(row.built_at === null ? {} : { builtAt: row.built_at }),
      ...(row.checked_at === null ? {} : { checkedAt: row.checked_at }),
      ...(row.end_of_life === null ? {} : { endOfLife: row.end_of_life }),
    }))
  })
}
