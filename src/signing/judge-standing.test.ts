import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Digest } from '../kernel/digest.ts'
import { judgeStanding } from './judge-standing.ts'
import type { Claim, Signer } from './types.ts'

const now = Date.parse('2026-06-01T00:00:00Z')
const day = 24 * 3_600_000
const digest = `sha256:${'1'.repeat(64)}` as Digest

function signer(change: Partial<Signer> = {}): Signer {
  return { name: 'release', identity: { kind: 'key', publicKey: '' }, state: 'active', ...change }
}

function claim(change: Partial<Claim> = {}): Claim {
  return {
    status: 'verified',
    claim: 'signature',
    signer: 'release',
    format: 'cosign-legacy',
    keyAlgorithm: 'ecdsa-p256',
    manifest: digest,
    layer: digest,
    isLogged: false,
    isTimestamped: false,
    ...change,
  }
}

const cases: readonly [name: string, change: Partial<Signer>, claim: Partial<Claim>, counts: boolean][] = [
  ['an active signer counts', {}, {}, true],
  ['a retired signer still counts', { state: 'verify-only' }, {}, true],
  ['a revoked signer counts for nothing', { state: 'revoked' }, { provenAt: now - day }, false],
  [
    'what is proven to be older than a revocation counts',
    { state: 'revoked', revokedFrom: now - day },
    { provenAt: now - 2 * day },
    true,
  ],
  [
    'what is proven to be of the moment of a revocation does not',
    { state: 'revoked', revokedFrom: now - day },
    { provenAt: now - day },
    false,
  ],
  [
    'what only claims to be older than a revocation does not',
    { state: 'revoked', revokedFrom: now - day },
    { claimedAt: now - 2 * day },
    false,
  ],
  ['a compromised signer does not, however old', { state: 'compromised' }, { provenAt: 0 }, false],
  ['a signer that has not ended counts', { expiresAt: now + 1 }, {}, true],
  ['a signer that has ended does not', { expiresAt: now }, {}, false],
  [
    'what is proven to be older than the end counts after it',
    { expiresAt: now - day },
    { provenAt: now - 2 * day },
    true,
  ],
  [
    'what only claims to be older than the end does not',
    { expiresAt: now - day },
    { claimedAt: now - 2 * day },
    false,
  ],
  ['what is proven to be younger than the end does not', { expiresAt: now - day }, { provenAt: now }, false],
]
for (const [name, change, made, counts] of cases) {
  test(name, () => {
    const judged = judgeStanding(claim(made), [signer(change)], now)
    assert.equal(judged.status, counts ? 'verified' : 'untrusted')
    if (judged.status !== 'verified') assert.match(judged.why, /the signer release/)
  })
}

test('a successor goes by the name of the signer as which it counts, and stays known', () => {
  const signers = [signer({ state: 'verify-only' }), signer({ name: 'release-2', countsAs: 'release' })]
  const judged = judgeStanding(claim({ signer: 'release-2' }), signers, now)
  assert.ok(judged.status === 'verified')
  assert.deepEqual([judged.signer, judged.by], ['release', 'release-2'])
})

test('a successor is judged by its own state, not by that of the signer as which it counts', () => {
  const signers = [
    signer({ state: 'compromised' }),
    signer({ name: 'release-2', countsAs: 'release' }),
    signer({ name: 'release-3', countsAs: 'release', state: 'compromised' }),
  ]
  assert.equal(judgeStanding(claim({ signer: 'release-2' }), signers, now).status, 'verified')
  assert.equal(judgeStanding(claim({ signer: 'release-3' }), signers, now).status, 'untrusted')
})

test('a circle of successors ends', () => {
  const signers = [signer({ name: 'a', countsAs: 'b' }), signer({ name: 'b', countsAs: 'a' })]
  assert.equal(judgeStanding(claim({ signer: 'a' }), signers, now).status, 'verified')
})

test('a claim of nobody who is known does not count', () => {
  assert.equal(judgeStanding(claim(), [], now).status, 'untrusted')
})
