import { generateKeyPairSync } from 'node:crypto'
import type { SignatureClause, SignaturePolicy } from '../../policy/offline.ts'
import { formatNames, keyAlgorithms, signatureClaim, type Signer } from '../../signing/offline.ts'
import type { ExportOptions, RuntimeScope, RuntimeTrust } from '../types.ts'

/** What tests of exports begin with. */
export const strict: ExportOptions = { others: 'reject', unexpressible: 'reject' }

export function keySigner(name: string, more: Partial<Signer> = {}): Signer {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
  return { name, identity: { kind: 'key', publicKey: pem }, state: 'active', ...more }
}

export function clauseOf(
  name: string,
  signers: readonly string[],
  more: Partial<SignatureClause> = {},
): SignatureClause {
  return {
    name,
    claim: signatureClaim,
    signers,
    threshold: 1,
    conditions: [],
    level: 'organisation',
    ...more,
  }
}

export function policyOf(
  clauses: readonly SignatureClause[],
  more: Partial<SignaturePolicy> = {},
): SignaturePolicy {
  return {
    mode: 'enforce',
    formats: formatNames,
    keyAlgorithms,
    clauses,
    requireTimestamp: false,
    requireLog: false,
    bindReference: 'named',
    lastKnownGoodHours: 0,
    ...more,
  }
}

export function trustOf(
  scopes: readonly RuntimeScope[],
  signers: readonly Signer[],
  more: Partial<RuntimeTrust> = {},
): RuntimeTrust {
  return {
    registry: 'registry.test:5000',
    insecure: false,
    scopes,
    signers,
    names: { mirrors: {} },
    issuedAt: Date.UTC(2026, 10, 25),
    expiresAt: Date.UTC(2026, 11, 2),
    policyVersion: 3,
    ...more,
  }
}
