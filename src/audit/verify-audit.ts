import type { Database } from '../database/index.ts'
import { chainStart, hashEntry } from './append-audit.ts'

const pageSize = 1_000

/** What a check of the whole chain found. `head` is the newest hash: keep it elsewhere to notice a cut tail. */
export interface AuditVerification {
  readonly intact: boolean
  readonly entries: number
  readonly head: string
  /** The first entry that does not fit, and why. */
  readonly broken?: { readonly sequence: number; readonly why: string }
}

/**
 * Walks the chain from its start, a page at a time. With `expectedHead`, a hash noted earlier, the log also
 * has to contain that entry still.
 */
export async function verifyAudit(database: Database, expectedHead?: string): Promise<AuditVerification> {
  let head = chainStart
  let entries = 0
  let seenExpected = expectedHead === undefined || expectedHead === chainStart
  for (;;) {
    const page = await database
      .selectFrom('audit_entry')
      .selectAll()
      .where('sequence', '>', entries)
      .orderBy('sequence')
      .limit(pageSize)
      .execute()
    for (const entry of page) {
      const why = faultOf(entry, entries + 1, head)
      if (why) return { intact: false, entries, head, broken: { sequence: entries + 1, why } }
      head = entry.hash
      entries = entry.sequence
      seenExpected ||= head === expectedHead
    }
    if (page.length < pageSize) break
  }
  if (seenExpected) return { intact: true, entries, head }
  const why = `the entry with hash ${expectedHead} is not in the log: its end was cut off or replaced`
  return { intact: false, entries, head, broken: { sequence: entries + 1, why } }
}

function faultOf(
  entry: Parameters<typeof hashEntry>[0] & { hash: string },
  expectedSequence: number,
  previous: string,
): string | undefined {
  if (entry.sequence !== expectedSequence) return `entry ${expectedSequence} is missing`
  if (entry.previous_hash !== previous) return 'it does not continue the entry before it'
  if (hashEntry(entry) !== entry.hash) return 'its content does not have the hash that was written down'
  return undefined
}
