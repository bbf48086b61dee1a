import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { openDatabase, type Database } from '../database/index.ts'
import { appendAudit } from './append-audit.ts'
import { verifyAudit } from './verify-audit.ts'

async function logOf(count: number): Promise<Database> {
  const database = await openDatabase(':memory:')
  for (let at = 1; at <= count; at++) {
    await database.transaction().execute((transaction) =>
      appendAudit(transaction, {
        at,
        principal: 'user:1 (alice)',
        sourceAddress: '10.0.0.1',
        action: 'tag.delete',
        object: `dev/app:${at}`,
      }),
    )
  }
  return database
}

test('a log that nobody touched is intact', async () => {
  const database = await logOf(5)
  const { intact, entries } = await verifyAudit(database)
  assert.deepEqual({ intact, entries }, { intact: true, entries: 5 })
})

test('pitfall 24: the database refuses to update or delete an entry', async () => {
  const database = await logOf(2)
  await assert.rejects(database.deleteFrom('audit_entry').execute(), /append-only/)
  await assert.rejects(database.updateTable('audit_entry').set({ action: 'x' }).execute(), /append-only/)
})

test('pitfall 24: an entry altered behind the triggers is found and named', async () => {
  const database = await logOf(5)
  await sql`drop trigger audit_entry_no_update`.execute(database)
  await database.updateTable('audit_entry').set({ object: 'dev/other' }).where('sequence', '=', 3).execute()
  const { intact, broken } = await verifyAudit(database)
  assert.equal(intact, false)
  assert.equal(broken?.sequence, 3)
})

test('pitfall 24: a gap is found and named', async () => {
  const database = await logOf(5)
  await sql`drop trigger audit_entry_no_delete`.execute(database)
  await database.deleteFrom('audit_entry').where('sequence', '=', 2).execute()
  assert.equal((await verifyAudit(database)).broken?.sequence, 2)
})

test('pitfall 24: a cut tail is found by whoever kept the head', async () => {
  const database = await logOf(5)
  const { head } = await verifyAudit(database)
  await sql`drop trigger audit_entry_no_delete`.execute(database)
  await database.deleteFrom('audit_entry').where('sequence', '=', 5).execute()
  assert.equal((await verifyAudit(database)).intact, true)
  assert.equal((await verifyAudit(database, head)).intact, false)
})
