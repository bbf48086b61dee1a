import { createHash } from 'node:crypto'
import type { Database, DatabaseTransaction } from '../../database/index.ts'
import type { Clock } from '../../kernel/clock.ts'
import { getServerKey } from '../server-key.ts'
import type { Signer } from '../types.ts'
import { listStoredSigners } from './store.ts'

/** The name of the server's own key among signers. */
export const serverSigner = 'server'

/** Whose word can count now. */
export interface Trust {
  readonly signers: readonly Signer[]
  /** Of those, whose VEX is believed. */
  readonly vexSigners: readonly string[]
  /** Another after every change of a signer, a key or a state: what answers are cached by. */
  readonly revision: string
}

/** Every signer of the organisation, and the server itself, whose word is its own. */
export async function currentTrust(database: Database | DatabaseTransaction, clock: Clock): Promise<Trust> {
  const stored = await listStoredSigners(database)
  const { publicKeyPem } = await getServerKey(database, clock)
  const server: Signer = {
    name: serverSigner,
    identity: { kind: 'key', publicKey: publicKeyPem },
    state: 'active',
  }
  const signers: Signer[] = [server, ...stored]
  return {
    signers,
    vexSigners: stored.filter(({ vex }) => vex).map(({ name }) => name),
    revision: createHash('sha256').update(JSON.stringify(signers)).digest('hex'),
  }
}
