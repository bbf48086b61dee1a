import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import type { Database, DatabaseTransaction } from '../database/index.ts'
import type { Caller } from '../identity/index.ts'
import type { Clock } from '../kernel/clock.ts'
import type { SignerParts } from './signers/change-signer.ts'
import { insertSigner } from './signers/store.ts'

const name = 'server'

/** The key with which the server signs what it states itself: ECDSA on P-256, kept in the database. */
export interface ServerKey {
  readonly privateKey: KeyObject
  readonly publicKeyPem: string
}

/** The server's key; made when it is first needed. All processes on one database have the same. */
export async function getServerKey(
  database: Database | DatabaseTransaction,
  clock: Clock,
): Promise<ServerKey> {
  const row = (await find(database)) ?? (await make(database, clock))
  return { privateKey: createPrivateKey(row.private_key_pem), publicKeyPem: row.public_key_pem }
}

/**
 * Gives the server a new key. What it signed with the one before still verifies: that becomes a signer of its
 * own that counts as the server. Gives the new public key.
 */
export async function rotateServerKey(
  { identity, judgeAll }: SignerParts,
  transaction: DatabaseTransaction,
  caller: Caller,
): Promise<string> {
  const now = identity.clock.now()
  const before = await getServerKey(transaction, identity.clock)
  const der = createPublicKey(before.publicKeyPem).export({ type: 'spki', format: 'der' })
  const hex = createHash('sha256').update(der).digest('hex')
  await insertSigner(transaction, {
    name: `server-${hex.slice(0, 12)}`,
    identity: { kind: 'key', publicKey: before.publicKeyPem },
    fingerprint: `sha256:${hex}`,
    state: 'verify-only',
    countsAs: name,
    vex: false,
    reason: 'the server has a newer key',
    createdBy: caller.principal.name,
    createdAt: now,
    changedAt: now,
  })
  await transaction.deleteFrom('server_key').where('name', '=', name).execute()
  const { public_key_pem } = await make(transaction, identity.clock)
  await identity.audit(transaction, caller, 'server-key.rotate', name)
  await judgeAll(transaction)
  return public_key_pem
}

async function make(
  database: Database | DatabaseTransaction,
  clock: Clock,
): Promise<{ private_key_pem: string; public_key_pem: string }> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await database
    .insertInto('server_key')
    .values({
      name,
      private_key_pem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      public_key_pem: publicKey.export({ type: 'spki', format: 'pem' }) as string,
      created_at: clock.now(),
    })
    // Another process may have made one meanwhile: theirs holds.
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute()
  const row = await find(database)
  if (!row) throw new Error('the server has no key, though it made one')
  return row
}

async function find(
  database: Database | DatabaseTransaction,
): Promise<{ private_key_pem: string; public_key_pem: string } | undefined> {
  return database.selectFrom('server_key').selectAll().where('name', '=', name).executeTakeFirst()
}
