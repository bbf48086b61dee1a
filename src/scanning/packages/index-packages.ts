import type { DatabaseTransaction } from '../../database/index.ts'
import { ecosystemOf, nameToMatch } from '../matching/ecosystem.ts'
import type { Inventory } from '../types.ts'

/** Rows of one statement: seven columns each, below the number of values that SQLite and PostgreSQL take. */
const rowsAtOnce = 400

/** Files what an image holds by package, in the place of what was filed before. */
export async function indexPackages(
  transaction: DatabaseTransaction,
  digest: string,
  inventory: Inventory,
): Promise<void> {
  await transaction.deleteFrom('image_package').where('digest', '=', digest).execute()
  const rows = new Map(
    [...inventory.packages, ...(inventory.removed ?? [])].map((installed) => {
      const { type, name, version, sourceName } = installed
      const ecosystem = ecosystemOf(installed, inventory.operatingSystem)
      const filed = { ecosystem, filed_under: nameToMatch(installed, ecosystem) }
      return [
        `${type} ${name} ${version}`,
        { digest, type, name, version, source_name: sourceName ?? name, ...filed },
      ]
    }),
  )
  const all = [...rows.values()]
  for (let at = 0; at < all.length; at += rowsAtOnce) {
    await transaction
      .insertInto('image_package')
      .values(all.slice(at, at + rowsAtOnce))
      .execute()
  }
}
