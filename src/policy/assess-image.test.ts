import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { openDatabase, type Database } from '../database/index.ts'
import { currentTrust } from '../signing/index.ts'
import { isCurrent, type Assessment } from './assess-image.ts'
import { findEffectivePolicy } from './project-policy.ts'

const clock = { now: () => 1_000 }
const folder = mkdtempSync(join(tmpdir(), 'pratique-assess-'))
let database: Database
let assessment: Assessment

before(async () => {
  database = await openDatabase(join(folder, 'test.sqlite'))
})
beforeEach(async () => {
  assessment = {
    policy: await findEffectivePolicy(database, 'prod/app'),
    rulesOf: 'prod/app',
    trustRevision: (await currentTrust(database, clock)).revision,
  } as Assessment
})
after(async () => {
  await database.destroy()
  rmSync(folder, { recursive: true })
})

const stands = (): Promise<boolean> =>
  database.transaction().execute((transaction) => isCurrent(transaction, { clock }, assessment))

test('an assessment stands while policy and signers are those that it was made with', async () => {
  assert.equal(await stands(), true)
})

test('one that was made before a signer was named, or revoked, is not written down', async () => {
  const signer = {
    name: 'release',
    identity: '{"kind":"key","publicKey":""}',
    fingerprint: 'sha256:1',
    state: 'active' as const,
    revoked_from: null,
    expires_at: null,
    counts_as: null,
    vex: 0 as const,
    reason: null,
    created_by: 'admin',
    created_at: 0,
    changed_at: 0,
  }
  await database.insertInto('signer').values(signer).execute()
  assert.equal(await stands(), false)
})

test('one that was made before a signer was compromised is not written down', async () => {
  await database.updateTable('signer').set({ state: 'compromised' }).execute()
  assert.equal(await stands(), false)
})

test('nor one that was made before a policy was applied', async () => {
  const document =
    'stages: [{ name: prod, prefix: prod, rules: { signatures: { require: [{ name: r, signers: [release] }] } } }]'
  await database
    .insertInto('policy')
    .values({ version: 1, document, applied_by: 'admin', applied_at: 0 })
    .execute()
  assert.equal(await stands(), false)
})
