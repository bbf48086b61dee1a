import type { Database } from '../../database/index.ts'
import type { Caller } from '../../identity/index.ts'
import { ExceptionFailure } from '../failures.ts'
import type { ExceptionParts } from '../parts.ts'
import { parseVexKey, type VexKey } from './verify-envelope.ts'

/** Somebody whose VEX attestations are believed. */
export interface VexSigner {
  readonly name: string
  readonly publicKey: string
  readonly addedBy: string
  readonly createdAt: number
}

export async function listVexSigners(database: Database): Promise<VexSigner[]> {
  const rows = await database
    .selectFrom('vex_signer')
    .selectAll()
    .where('removed_at', 'is', null)
    .orderBy('name')
    .execute()
  return rows.map((row) => ({
    name: row.name,
    publicKey: row.public_key_pem,
    addedBy: row.added_by,
    createdAt: row.created_at,
  }))
}

export async function vexKeys(database: Database): Promise<VexKey[]> {
  const signers = await listVexSigners(database)
  return signers.map(({ name, publicKey }) => ({ name, key: parseVexKey(publicKey) }))
}

/** Believes the VEX of a key from now on; every image is judged again. */
export async function addVexSigner(
  parts: ExceptionParts,
  caller: Caller,
  wanted: { readonly name: string; readonly publicKey: string },
): Promise<VexSigner> {
  const { database, identity } = parts
  await identity.requireAdministrator(caller)
  const publicKey = parseVexKey(wanted.publicKey).export({ type: 'spki', format: 'pem' }) as string
  const signer = {
    name: wanted.name,
    publicKey,
    addedBy: caller.principal.name,
    createdAt: identity.clock.now(),
  }
  await database.transaction().execute(async (transaction) => {
    const taken = await transaction
      .selectFrom('vex_signer')
      .select('name')
      .where('name', '=', signer.name)
      .executeTakeFirst()
    if (taken) {
      throw new ExceptionFailure(
        'SIGNER_TAKEN',
        `there is, or was, a signer ${signer.name}; names are not reused`,
      )
    }
    await transaction
      .insertInto('vex_signer')
      .values({
        name: signer.name,
        public_key_pem: publicKey,
        added_by: signer.addedBy,
        created_at: signer.createdAt,
        removed_at: null,
      })
      .execute()
    await identity.audit(transaction, caller, 'vex-signer.add', signer.name)
    await parts.requestJudgementOfAll(transaction, signer.createdAt)
  })
  parts.wake()
  return signer
}

/** Believes a key no longer; every image is judged again. */
export async function removeVexSigner(parts: ExceptionParts, caller: Caller, name: string): Promise<void> {
  const { database, identity } = parts
  await identity.requireAdministrator(caller)
  const now = identity.clock.now()
  await database.transaction().execute(async (transaction) => {
    const { numUpdatedRows } = await transaction
      .updateTable('vex_signer')
      .set({ removed_at: now })
      .where('name', '=', name)
      .where('removed_at', 'is', null)
      .executeTakeFirst()
    if (numUpdatedRows === 0n) throw new ExceptionFailure('SIGNER_UNKNOWN', `there is no VEX signer ${name}`)
    await identity.audit(transaction, caller, 'vex-signer.remove', name)
    await parts.requestJudgementOfAll(transaction, now)
  })
  parts.wake()
}
