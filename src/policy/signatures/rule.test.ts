import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Digest } from '../../kernel/digest.ts'
import type { Claim, Rejection, Verification } from '../../signing/offline.ts'
import type { SignatureEvidence } from '../types.ts'
import { allowedTags } from './allowed-tags.ts'
import { conditionKey } from './claim-key.ts'
import { judgeSignatures } from './rule.ts'
import type { SignatureClause, SignaturePolicy } from './types.ts'

const hour = 3_600_000
const day = 24 * hour
const now = 20_000 * day
const digestOf = (letter: string): Digest => `sha256:${letter.repeat(64)}` as Digest
const image = digestOf('a')
const index = digestOf('b')
const provenance = 'https://slsa.dev/provenance/v1'

function claim(signer: string, change: Partial<Claim> = {}): Claim {
  return {
    status: 'verified',
    claim: 'signature',
    signer,
    format: 'cosign-legacy',
    keyAlgorithm: 'ecdsa-p256',
    manifest: digestOf('c'),
    layer: digestOf('d'),
    isLogged: false,
    isTimestamped: false,
    ...change,
  }
}

const reject = (status: Rejection['status'], why: string, change: Partial<Rejection> = {}): Rejection => ({
  status,
  format: 'cosign-legacy',
  manifest: digestOf('e'),
  layer: digestOf('f'),
  why,
  ...change,
})

function verification(claims: readonly Claim[], rest: Partial<Verification> = {}): Verification {
  return {
    subject: image,
    status: claims.length > 0 ? 'verified' : 'unsigned',
    claims,
    rejections: [],
    ...rest,
  }
}

function evidence(claims: readonly Claim[], rest: Partial<SignatureEvidence> = {}): SignatureEvidence {
  return {
    verification: verification(claims),
    boundTo: ['*/prod/shop', 'registry.k8s.io/pause'],
    tags: ['1.0', 'latest'],
    conditions: new Map(),
    ...rest,
  }
}

const clause = (change: Partial<SignatureClause> = {}): SignatureClause => ({
  name: 'release',
  claim: 'signature',
  signers: ['alice', 'bob'],
  threshold: 1,
  conditions: [],
  level: 'stage prod',
  ...change,
})

function policy(change: Partial<SignaturePolicy> = {}): SignaturePolicy {
  return {
    mode: 'enforce',
    formats: ['cosign-legacy', 'sigstore-bundle'],
    keyAlgorithms: ['ecdsa-p256', 'rsa'],
    clauses: [clause()],
    requireTimestamp: false,
    requireLog: false,
    bindReference: 'named',
    lastKnownGoodHours: 0,
    ...change,
  }
}

interface Case {
  readonly name: string
  readonly policy?: Partial<SignaturePolicy>
  readonly evidence: SignatureEvidence
  readonly outcome: 'pass' | 'fail' | 'undetermined'
  readonly message: RegExp
}

const built = { claim: provenance, format: 'sigstore-bundle' as const }
const byBuilder = clause({ name: 'built', claim: provenance, signers: ['builder'], conditions: ['c'] })

const cases: readonly Case[] = [
  {
    name: 'a signature of one that is asked',
    evidence: evidence([claim('alice')]),
    outcome: 'pass',
    message: /^release: signed by 1 of alice, bob: alice$/,
  },
  {
    name: 'nothing',
    evidence: evidence([]),
    outcome: 'undetermined',
    message: /unsigned; missing is a signature of 1 of alice, bob \(pratique sign/,
  },
  {
    name: 'a signature of somebody else who is known',
    evidence: evidence([claim('carol')]),
    outcome: 'undetermined',
    message: /no signature counts \(carol is not asked here\)/,
  },
  {
    name: 'only an untrusted signature',
    evidence: evidence([], {
      verification: verification([], { rejections: [reject('untrusted', 'no signer has this key')] }),
    }),
    outcome: 'fail',
    message: /no signature counts \(untrusted: no signer has this key\)/,
  },
  {
    name: 'only a malformed signature',
    evidence: evidence([], {
      verification: verification([], { rejections: [reject('malformed', 'not JSON')] }),
    }),
    outcome: 'fail',
    message: /malformed: not JSON/,
  },
  {
    name: 'an untrusted signature beside a good one',
    evidence: evidence([], {
      verification: verification([claim('bob')], { rejections: [reject('untrusted', 'x')] }),
    }),
    outcome: 'pass',
    message: /: bob$/,
  },
  {
    name: 'two signatures of one signer where two signers are asked',
    policy: { clauses: [clause({ threshold: 2 })] },
    evidence: evidence([claim('alice'), claim('alice', { manifest: digestOf('9') })]),
    outcome: 'undetermined',
    message: /signed by 2 of alice, bob: so far alice; missing is a signature of bob/,
  },
  {
    name: 'a successor and its predecessor, who are one signer',
    policy: { clauses: [clause({ threshold: 2 })] },
    evidence: evidence([claim('alice'), claim('alice', { by: 'alice-2027', manifest: digestOf('9') })]),
    outcome: 'undetermined',
    message: /so far alice;/,
  },
  {
    name: 'two signers where two are asked',
    policy: { clauses: [clause({ threshold: 2 })] },
    evidence: evidence([claim('alice'), claim('bob')]),
    outcome: 'pass',
    message: /alice, bob$/,
  },
  {
    name: 'an attestation in place of a signature',
    evidence: evidence([claim('alice', built)]),
    outcome: 'undetermined',
    message: /unsigned/,
  },
  {
    name: 'a form that does not count',
    evidence: evidence([claim('alice', { format: 'notation' })]),
    outcome: 'undetermined',
    message: /that of alice: the format notation does not count here/,
  },
  {
    name: 'a key algorithm that does not count',
    evidence: evidence([claim('alice', { keyAlgorithm: 'ed25519' })]),
    outcome: 'undetermined',
    message: /the key algorithm ed25519 does not count here/,
  },
  {
    name: 'no timestamp where one is asked',
    policy: { requireTimestamp: true },
    evidence: evidence([claim('alice', { isLogged: true, provenAt: now })]),
    outcome: 'undetermined',
    message: /no timestamp authority has seen it/,
  },
  {
    name: 'no log where one is asked',
    policy: { requireLog: true },
    evidence: evidence([claim('alice', { isTimestamped: true, provenAt: now })]),
    outcome: 'undetermined',
    message: /no transparency log has seen it/,
  },
  {
    name: 'an age that only the signer states',
    policy: { maximumAgeDays: 90 },
    evidence: evidence([claim('alice', { claimedAt: now })]),
    outcome: 'undetermined',
    message: /its age is unknown/,
  },
  {
    name: 'a signature that is too old',
    policy: { maximumAgeDays: 90 },
    evidence: evidence([claim('alice', { provenAt: now - 91 * day, isLogged: true })]),
    outcome: 'fail',
    message: /it is 91.0 days old, more than 90/,
  },
  {
    name: 'a signature that is young enough',
    policy: { maximumAgeDays: 90 },
    evidence: evidence([claim('alice', { provenAt: now - 90 * day, isLogged: true })]),
    outcome: 'pass',
    message: /alice$/,
  },
  {
    name: 'a signature for this repository, on whatever host',
    evidence: evidence([claim('alice', { reference: 'r.example:5000/prod/shop:1.0' })]),
    outcome: 'pass',
    message: /alice$/,
  },
  {
    name: 'attack: a signature replayed from another repository',
    evidence: evidence([claim('alice', { reference: 'r.example/dev/shop:1.0' })]),
    outcome: 'fail',
    message: /it names r.example\/dev\/shop:1.0, not this repository/,
  },
  {
    name: 'attack: an attestation replayed from another repository',
    policy: { clauses: [byBuilder], bindReference: 'named' },
    evidence: evidence([claim('builder', { ...built, reference: 'r.example/dev/shop' })]),
    outcome: 'fail',
    message: /not this repository/,
  },
  {
    name: 'attack: a reference that ends like the name here',
    evidence: evidence([claim('alice', { reference: 'r.example/evil/prod/shop:1.0' })]),
    outcome: 'fail',
    message: /not this repository/,
  },
  {
    name: 'a mirrored image under the name that it has where it comes from',
    evidence: evidence([claim('alice', { reference: 'registry.k8s.io/pause:3.10' })]),
    outcome: 'pass',
    message: /alice$/,
  },
  {
    name: 'attack: the name of a mirrored image on another host',
    evidence: evidence([claim('alice', { reference: 'evil.example/pause:3.10' })]),
    outcome: 'fail',
    message: /evil.example/,
  },
  {
    name: 'attack: a reference that is none',
    evidence: evidence([claim('alice', { reference: 'r.example/prod/shop:1.0\u001b[2K' })]),
    outcome: 'fail',
    message: /it names "r.example\/prod\/shop:1.0\\u001b\[2K", which is no image/,
  },
  {
    name: 'attack: a reference to another digest',
    evidence: evidence([claim('alice', { reference: `r.example/prod/shop@${digestOf('7')}` })]),
    outcome: 'fail',
    message: /another digest/,
  },
  {
    name: 'a signature for elsewhere where nothing is bound',
    policy: { bindReference: 'none' },
    evidence: evidence([claim('alice', { reference: 'r.example/dev/shop:1.0' })]),
    outcome: 'pass',
    message: /alice$/,
  },
  {
    name: 'a signature without a name where it needs one',
    policy: { bindReference: 'repository' },
    evidence: evidence([claim('alice')]),
    outcome: 'undetermined',
    message: /it names no repository/,
  },
  {
    name: 'an attestation without a name where signatures need one',
    policy: { bindReference: 'tag', clauses: [{ ...byBuilder, conditions: [] }] },
    evidence: evidence([claim('builder', built)]),
    outcome: 'pass',
    message: /builder$/,
  },
  {
    name: 'a name without a tag where it needs one',
    policy: { bindReference: 'tag' },
    evidence: evidence([claim('alice', { reference: 'r.example/prod/shop' })]),
    outcome: 'undetermined',
    message: /no tag/,
  },
  {
    name: 'attack: an attestation that says FAILED',
    policy: { clauses: [byBuilder] },
    evidence: evidence([claim('builder', built)], {
      conditions: new Map([[conditionKey(claim('builder', built), 'c'), false]]),
    }),
    outcome: 'fail',
    message:
      /built: https:\/\/slsa.dev\/provenance\/v1 attested by 1 of builder: no attestation counts \(that of builder: the condition c is not met\); missing is an attestation by builder/,
  },
  {
    name: 'a condition that cannot be evaluated',
    policy: { clauses: [byBuilder] },
    evidence: evidence([claim('builder', built)], {
      conditions: new Map([[conditionKey(claim('builder', built), 'c'), 'no such key: x']]),
    }),
    outcome: 'undetermined',
    message: /the condition c could not be evaluated: no such key: x/,
  },
  {
    name: 'a condition that nobody evaluated',
    policy: { clauses: [byBuilder] },
    evidence: evidence([claim('builder', built)]),
    outcome: 'undetermined',
    message: /it was not looked at/,
  },
  {
    name: 'a condition that holds',
    policy: { clauses: [byBuilder] },
    evidence: evidence([claim('builder', built)], {
      conditions: new Map([[conditionKey(claim('builder', built), 'c'), true]]),
    }),
    outcome: 'pass',
    message: /builder$/,
  },
  {
    name: 'one clause of two',
    policy: { clauses: [clause(), { ...byBuilder, conditions: [] }] },
    evidence: evidence([claim('alice')]),
    outcome: 'undetermined',
    message: /^built: .*no such attestation; missing is an attestation by builder/,
  },
  {
    name: 'a signature of the index that lists the image',
    evidence: evidence([], { through: [verification([claim('alice')], { subject: index })] }),
    outcome: 'pass',
    message: new RegExp(`alice, signed as part of index ${index}$`),
  },
  {
    name: 'signatures that cannot be read',
    evidence: evidence([], { verification: verification([], { unavailable: 'the blob is gone' }) }),
    outcome: 'undetermined',
    message: /not everything could be looked at \(the blob is gone\); it is tried again/,
  },
  {
    name: 'an untrusted signature beside what cannot be read',
    evidence: evidence([], {
      verification: verification([], { unavailable: 'x', rejections: [reject('untrusted', 'y')] }),
    }),
    outcome: 'undetermined',
    message: /untrusted: y/,
  },
  {
    name: 'what cannot be read while the last answer still holds',
    policy: { lastKnownGoodHours: 24 },
    evidence: evidence([], {
      verification: verification([], { unavailable: 'x' }),
      lastVerifiedAt: now - 23 * hour,
    }),
    outcome: 'pass',
    message: /^held at .* which stands for 24 hours/,
  },
  {
    name: 'what cannot be read after the last answer held',
    policy: { lastKnownGoodHours: 24 },
    evidence: evidence([], {
      verification: verification([], { unavailable: 'x' }),
      lastVerifiedAt: now - 24 * hour,
    }),
    outcome: 'undetermined',
    message: /not everything/,
  },
  {
    name: 'no signature any more, though the last answer was good',
    policy: { lastKnownGoodHours: 24 },
    evidence: evidence([], { lastVerifiedAt: now - hour }),
    outcome: 'undetermined',
    message: /unsigned/,
  },
  {
    name: 'no format that all levels accept',
    policy: { formats: [] },
    evidence: evidence([claim('alice')]),
    outcome: 'undetermined',
    message: /does not count here/,
  },
]

describe('the rule on signatures', () => {
  for (const one of cases) {
    test(`answers ${one.outcome} to ${one.name}`, () => {
      const outcome = judgeSignatures(policy(one.policy), { signatures: one.evidence, now })
      assert.equal(outcome?.outcome, one.outcome, outcome?.message)
      assert.match(outcome?.message ?? '', one.message)
      assert.equal(outcome?.mode, undefined)
    })
  }

  test('carries its mode below enforce, and says nothing when it is off or asks for nothing', () => {
    const signatures = evidence([])
    for (const mode of ['audit', 'warn'] as const) {
      assert.equal(judgeSignatures(policy({ mode }), { signatures, now })?.mode, mode)
    }
    assert.equal(judgeSignatures(policy({ mode: 'off' }), { signatures, now }), undefined)
    assert.equal(judgeSignatures(policy({ clauses: [] }), { signatures, now }), undefined)
    assert.equal(judgeSignatures(undefined, { signatures, now }), undefined)
  })

  test('names the levels of the clauses that are not met', () => {
    const clauses = [clause({ level: 'organisation' }), { ...byBuilder, level: 'project shop' }]
    const outcome = judgeSignatures(policy({ clauses }), { signatures: evidence([claim('alice')]), now })
    assert.equal(outcome?.level, 'project shop')
  })

  test('gives each claim as evidence, with what it rests on and why it does not count', () => {
    const outcome = judgeSignatures(policy(), {
      signatures: evidence([
        claim('alice', { provenAt: now, isLogged: true, reference: 'r.example/prod/shop:1.0' }),
        claim('carol', { claimedAt: now }),
      ]),
      now,
    })
    const { clauses } = (outcome ?? assert.fail()).evidence as {
      clauses: { claims: Record<string, unknown>[] }[]
    }
    const [alice, carol] = clauses[0]?.claims ?? []
    assert.match(String(alice?.['time']), /\(transparency log\)$/)
    assert.equal(alice?.['reference'], 'r.example/prod/shop:1.0')
    assert.equal(alice?.['counts'], true)
    assert.match(String(carol?.['time']), /\(says the signer\)$/)
    assert.equal(carol?.['why'], 'carol is not asked here')
  })

  test('attack: thousands of signatures stay a bounded message and bounded evidence', () => {
    const many = Array.from({ length: 5_000 }, (_, at) =>
      reject('untrusted', `key ${at} ${'x'.repeat(5_000)}`),
    )
    const signatures = evidence([], { verification: verification([], { rejections: many }) })
    const outcome = judgeSignatures(policy(), { signatures, now })
    assert.ok(JSON.stringify(outcome).length < 40_000)
    assert.match(outcome?.message ?? '', /and 4995 more/)
  })

  test('lets nothing that others wrote move the cursor', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const rejections = [reject('untrusted', text, { reference: text })]
        const signatures = evidence([claim('alice', { reference: text })], {
          verification: verification([claim('alice', { reference: text })], { rejections }),
        })
        const outcome = judgeSignatures(policy(), { signatures, now })
        // eslint-disable-next-line no-control-regex
        assert.doesNotMatch(outcome?.message ?? '', /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/)
      }),
      { numRuns: 500 },
    )
  })
})

describe('the tags under which an image can be pulled', () => {
  const tagged = (tag: string): Claim => claim('alice', { reference: `r.example/prod/shop:${tag}` })
  const bound = policy({ bindReference: 'tag' })

  test('are all where signatures are not bound to tags', () => {
    const signatures = evidence([claim('alice')])
    assert.equal(allowedTags(policy(), { signatures, now }), undefined)
    assert.equal(allowedTags(policy({ bindReference: 'tag', mode: 'warn' }), { signatures, now }), undefined)
  })

  test('attack: are only those that a signature names, when a tag is moved to an old image', () => {
    assert.deepEqual(allowedTags(bound, { signatures: evidence([tagged('1.0')]), now }), ['1.0'])
    assert.deepEqual(allowedTags(bound, { signatures: evidence([tagged('0.9')]), now }), [])
  })

  test('are those for which every clause holds, not each clause for another', () => {
    const clauses = [clause({ name: 'a', signers: ['alice'] }), clause({ name: 'b', signers: ['bob'] })]
    const claims = [tagged('1.0'), { ...tagged('latest'), signer: 'bob' }]
    assert.deepEqual(allowedTags({ ...bound, clauses }, { signatures: evidence(claims), now }), [])
  })

  test('stay what they were while evidence cannot be read and the last answer holds', () => {
    const signatures = evidence([], {
      verification: verification([], { unavailable: 'x' }),
      lastVerifiedAt: now - hour,
    })
    const patient = { ...bound, lastKnownGoodHours: 2 }
    assert.deepEqual(allowedTags(patient, { signatures, now }, ['1.0', 'gone']), ['1.0'])
    assert.deepEqual(allowedTags(bound, { signatures, now }, ['1.0']), [])
  })
})
