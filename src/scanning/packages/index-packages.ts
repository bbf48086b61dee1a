import { hash } from 'node:crypto'
import type { DatabaseTransaction } from '../../database/index.ts'
import { ecosystemOf, nameToMatch } from '../matching/ecosystem.ts'
import type { InstalledPackage, Inventory } from '../types.ts'

/** Rows of one statement: seven columns each at the most, below the number of values that databases take. */
const rowsAtOnce = 400
/** Half of a SHA-256: enough for no two packages ever to have the same. */
const keyLength = 22

/** Files what an image holds by package, in the place of what was filed before. */
export async function indexPackages(
  transaction: DatabaseTransaction,
  digest: string,
  inventory: Inventory,
): Promise<void> {
  await transaction.deleteFrom('image_package').where('digest', '=', digest).execute()
  const rows = new Map<string, Row>()
  for (const installed of inventory.removed ?? []) add(rows, describe(installed, inventory, 1))
  // What is there counts, also where another place had it removed.
  for (const installed of inventory.packages) add(rows, describe(installed, inventory, 0))
  const all = [...rows.values()]
  for (let at = 0; at < all.length; at += rowsAtOnce) {
    const some = all.slice(at, at + rowsAtOnce)
    await transaction
      .insertInto('known_package')
      .values(some.map(({ known }) => known))
      .onConflict((conflict) => conflict.column('key').doNothing())
      .execute()
    const links = some.map(({ known, isRemoved }) => ({
      package_key: known.key,
      digest,
      is_removed: isRemoved,
    }))
    await transaction.insertInto('image_package').values(links).execute()
  }
}

type Row = ReturnType<typeof describe>

function add(rows: Map<string, Row>, row: Row): void {
  rows.set(row.known.key, row)
}

function describe(installed: InstalledPackage, inventory: Inventory, isRemoved: 0 | 1) {
  const { type, name, version, sourceName = name } = installed
  const ecosystem = ecosystemOf(installed, inventory.operatingSystem)
  const filedUnder = nameToMatch(installed, ecosystem)
  const facts = JSON.stringify([type, name, version, sourceName, ecosystem, filedUnder])
  const key = hash('sha256', facts, 'base64url').slice(0, keyLength)
  const known = { key, type, name, version, source_name: sourceName, ecosystem, filed_under: filedUnder }
  return { known, isRemoved }
}
