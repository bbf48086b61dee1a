import {
  formatNames,
  keyAlgorithms,
  signatureClaim,
  type FormatName,
  type KeyAlgorithm,
} from '../../signing/offline.ts'
import type { SignatureStatement } from '../rules-schema.ts'
import { meetClauses, settleClauses } from './meet-clauses.ts'
import {
  modes,
  referenceBindings,
  type Mode,
  type ReferenceBinding,
  type SignatureClause,
  type SignaturePolicy,
} from './types.ts'

/**
 * What levels say of signatures together. Every field is a semilattice of its own whose operation only tightens, so
 * that the order of levels does not matter and no level can take back what another says.
 */
export interface Meet {
  readonly mode: Mode
  readonly formats: readonly FormatName[]
  readonly keyAlgorithms: readonly KeyAlgorithm[]
  readonly clauses: readonly SignatureClause[]
  readonly requireTimestamp: boolean
  readonly requireLog: boolean
  /** Infinity: no limit, as in `lastKnownGoodHours`. */
  readonly maximumAgeDays: number
  readonly bindReference: ReferenceBinding
  readonly lastKnownGoodHours: number
}

/** What the organisation says unless it says otherwise. */
export const organisationDefaults = {
  mode: 'enforce',
  bindReference: 'named',
  lastKnownGoodHours: 0,
} as const satisfies SignatureStatement

/** What one level says; what it leaves unsaid changes nothing in a meet. */
export function liftStatement(statement: SignatureStatement, level: string): Meet {
  return {
    mode: statement.mode ?? 'off',
    formats: formatNames.filter((name) => statement.formats?.includes(name) ?? true),
    keyAlgorithms: keyAlgorithms.filter((name) => statement.keyAlgorithms?.includes(name) ?? true),
    clauses: meetClauses(
      (statement.require ?? []).map(
        ({ name, claim = signatureClaim, signers, threshold = 1, conditions = [] }) => ({
          name,
          claim,
          signers,
          threshold,
          conditions,
          level,
        }),
      ),
    ),
    requireTimestamp: statement.requireTimestamp ?? false,
    requireLog: statement.requireLog ?? false,
    maximumAgeDays: statement.maximumAgeDays ?? Infinity,
    bindReference: statement.bindReference ?? 'none',
    lastKnownGoodHours: statement.lastKnownGoodHours ?? Infinity,
  }
}

/** Both have to hold. */
export function meet(left: Meet, right: Meet): Meet {
  return {
    mode: later(modes, left.mode, right.mode),
    formats: left.formats.filter((name) => right.formats.includes(name)),
    keyAlgorithms: left.keyAlgorithms.filter((name) => right.keyAlgorithms.includes(name)),
    clauses: meetClauses([...left.clauses, ...right.clauses]),
    requireTimestamp: left.requireTimestamp || right.requireTimestamp,
    requireLog: left.requireLog || right.requireLog,
    maximumAgeDays: Math.min(left.maximumAgeDays, right.maximumAgeDays),
    bindReference: later(referenceBindings, left.bindReference, right.bindReference),
    lastKnownGoodHours: Math.min(left.lastKnownGoodHours, right.lastKnownGoodHours),
  }
}

/** The meet in the form in which it is evaluated and given to runtimes. */
export function settle(all: Meet): SignaturePolicy {
  const { maximumAgeDays, lastKnownGoodHours, clauses, ...rest } = all
  return {
    ...rest,
    clauses: settleClauses(clauses),
    ...(Number.isFinite(maximumAgeDays) ? { maximumAgeDays } : {}),
    lastKnownGoodHours: Number.isFinite(lastKnownGoodHours) ? lastKnownGoodHours : 0,
  }
}

function later<Name>(order: readonly Name[], left: Name, right: Name): Name {
  return order.indexOf(left) > order.indexOf(right) ? left : right
}
