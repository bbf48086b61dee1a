import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { Database } from '../database/index.ts'
import type { Clock } from '../kernel/clock.ts'

const name = 'server'

/** The key with which the server signs what it states itself: ECDSA on P-256, kept in the database. */
export interface ServerKey {
  readonly privateKey: KeyObject
  readonly publicKeyPem: string
}

/** The server's key; made when it is first needed. All processes on one database have the same. */
export async function getServerKey(database: Database, clock: Clock): Promise<ServerKey> {
  const row = (await find(database)) ?? (await make(database, clock))
  return { privateKey: createPrivateKey(row.private_key_pem), publicKeyPem: row.public_key_pem }
}

async function make(
  database: Database,
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
  database: Database,
): Promise<{ private_key_pem: string; public_key_pem: string } | undefined> {
  return database.selectFrom('server_key').selectAll().where('name', '=', name).executeTakeFirst()
}
