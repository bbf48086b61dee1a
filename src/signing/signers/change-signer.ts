import type { DatabaseTransaction } from '../../database/index.ts'
import type { Caller, Identity } from '../../identity/index.ts'
import { SigningFailure } from '../failures.ts'
import type { SignerIdentity, SignerState } from '../types.ts'
import { checkIdentity, fingerprintOf } from './check-identity.ts'
import {
  findStoredSigner,
  insertSigner,
  listStoredSigners,
  updateSigner,
  type StoredSigner,
} from './store.ts'
import { serverSigner } from './trust.ts'

export interface SignerParts {
  readonly identity: Identity
  /** Has every image judged again, in the transaction of the change. */
  readonly judgeAll: (transaction: DatabaseTransaction) => Promise<void>
  /** Has the images that a signer is known to have signed wait until they are judged again. */
  readonly suspendSigned: (transaction: DatabaseTransaction, signer: string) => Promise<void>
}

export interface SignerToAdd {
  readonly name: string
  readonly identity: SignerIdentity
  readonly expiresAt?: number
  readonly countsAs?: string
  readonly vex: boolean
}

/**
 * Names a signer. Throws SIGNER_INVALID when its key or roots cannot be used, SIGNER_TAKEN when the name or the
 * key belongs to another: one key is one signer, or a threshold of two could be met by one person.
 */
export async function addSigner(
  parts: SignerParts,
  transaction: DatabaseTransaction,
  caller: Caller,
  wanted: SignerToAdd,
): Promise<StoredSigner> {
  const now = parts.identity.clock.now()
  await checkIdentity(wanted.identity)
  const fingerprint = await fingerprintOf(wanted.identity)
  const others = await listStoredSigners(transaction)
  refuseTaken(wanted.name, fingerprint, others)
  checkSuccession(wanted, others)
  if (wanted.expiresAt !== undefined && wanted.expiresAt <= now) {
    throw new SigningFailure('SIGNER_INVALID', `the end of signer ${wanted.name} is in the past`)
  }
  const signer: StoredSigner = {
    ...wanted,
    fingerprint,
    state: 'active',
    createdBy: caller.principal.name,
    createdAt: now,
    changedAt: now,
  }
  await insertSigner(transaction, signer)
  await parts.identity.audit(transaction, caller, 'signer.add', signer.name, { fingerprint })
  await parts.judgeAll(transaction)
  return signer
}

function refuseTaken(name: string, fingerprint: string, others: readonly StoredSigner[]): void {
  if (name === serverSigner || others.some((other) => other.name === name)) {
    throw new SigningFailure('SIGNER_TAKEN', `there is a signer ${name} already; names are not reused`)
  }
  const same = others.find((other) => other.fingerprint === fingerprint)
  if (same) {
    throw new SigningFailure(
      'SIGNER_TAKEN',
      `this is the key of signer ${same.name} (${same.state}); one key is one signer`,
    )
  }
}

/** A successor goes by the name of its first predecessor, so that no policy has to change. */
function checkSuccession({ name, countsAs }: SignerToAdd, others: readonly StoredSigner[]): void {
  if (countsAs === undefined || countsAs === serverSigner) return
  const predecessor = others.find((other) => other.name === countsAs)
  if (!predecessor)
    throw new SigningFailure('SIGNER_UNKNOWN', `there is no signer ${countsAs} as which ${name} could count`)
  if (predecessor.countsAs !== undefined) {
    throw new SigningFailure(
      'SIGNER_INVALID',
      `${countsAs} itself counts as ${predecessor.countsAs}; name that one`,
    )
  }
}

export interface StateChange {
  readonly state: SignerState
  readonly revokedFrom?: number
  readonly reason: string
}

const severity: Readonly<Record<SignerState, number>> = {
  active: 0,
  'verify-only': 1,
  revoked: 2,
  compromised: 3,
}

/**
 * Changes what a signer's signatures count for. What was revoked or compromised never counts for more again: a
 * new key is a new signer.
 */
export async function changeSigner(
  parts: SignerParts,
  transaction: DatabaseTransaction,
  caller: Caller,
  name: string,
  change: StateChange,
): Promise<StoredSigner> {
  const before = await findStoredSigner(transaction, name)
  if (!before) throw new SigningFailure('SIGNER_UNKNOWN', `there is no signer ${name}`)
  refuseLoosening(before, change)
  const { revokedFrom: _, ...rest } = before
  const changed: StoredSigner = {
    ...rest,
    state: change.state,
    reason: change.reason,
    changedAt: parts.identity.clock.now(),
    ...(change.revokedFrom === undefined ? {} : { revokedFrom: change.revokedFrom }),
  }
  await updateSigner(transaction, changed)
  await parts.identity.audit(transaction, caller, `signer.${change.state}`, name, {
    from: before.state,
    reason: change.reason,
    ...(change.revokedFrom === undefined ? {} : { revokedFrom: new Date(change.revokedFrom).toISOString() }),
  })
  // Judging everything takes a while, and a revocation holds at once.
  if (severity[change.state] >= severity.revoked) await parts.suspendSigned(transaction, name)
  await parts.judgeAll(transaction)
  return changed
}

function refuseLoosening(before: StoredSigner, change: StateChange): void {
  const { name, state, revokedFrom = 0 } = before
  if (change.revokedFrom !== undefined && change.state !== 'revoked') {
    throw new SigningFailure('SIGNER_INVALID', 'only the state "revoked" has a time from which it holds')
  }
  const isFinal = severity[state] >= severity.revoked
  const isLooser =
    severity[change.state] < severity[state] ||
    (state === 'revoked' && change.state === 'revoked' && (change.revokedFrom ?? 0) > revokedFrom)
  if (isFinal && isLooser) {
    throw new SigningFailure(
      'SIGNER_INVALID',
      `signer ${name} is ${state}; it never counts for more again. Add its new key as a new signer that counts as ${name}`,
    )
  }
}
