import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { seededRandom } from '../../test/fixtures/seeded-random.ts'
import { digestOf } from '../kernel/digest.ts'
import { signStatement, type ServerKey, type Statement } from '../signing/index.ts'
import { clauseOf, keySigner, policyOf, trustOf } from './exports/testing-trust.ts'
import { openTrust } from './open-trust.ts'
import { trustPredicateType } from './trust-document.ts'
import type { RuntimeTrust } from './types.ts'

const key = makeKey()
const trust = trustOf(
  [
    { repositories: 'prod/**', signatures: policyOf([clauseOf('release', ['a'])]) },
    { repositories: '**', signatures: undefined },
  ],
  [keySigner('a'), keySigner('server')],
  { names: { hosts: ['registry.test'], mirrors: { k8s: 'registry.k8s.io', '123': 'x.test' } } },
)
const question = { publicKeys: [key.publicKeyPem], registry: trust.registry, now: trust.issuedAt + 1_000 }

test('a trust that the server signed is what it was', async () => {
  assert.deepEqual(plain(await openTrust(signed(trust), question)), plain(trust))
})

test('one of several keys is enough, as after a rotation', async () => {
  const publicKeys = [makeKey().publicKeyPem, key.publicKeyPem]
  assert.equal((await openTrust(signed(trust), { ...question, publicKeys })).policyVersion, 3)
})

const statement = {
  subject: { name: 'x', digest: digestOf(JSON.stringify(plain(trust))) },
  predicateType: trustPredicateType,
}
const refusals: readonly [what: string, bundle: Buffer, asked: Partial<typeof question>, why: RegExp][] = [
  ['a signature of another key', signed(trust, {}, makeKey()), {}, /does not hold/],
  ['one for another registry', signed(trust), { registry: 'other.test' }, /it is for registry\.test:5000/],
  [
    'one that has ended',
    signed(trust),
    { now: trust.expiresAt },
    /it ended at 2026-12-02.*pratique node refresh/,
  ],
  ['one from the future', signed(trust), { now: trust.issuedAt - 3_600_000 }, /set the clock/],
  [
    'another predicate type',
    signed(trust, { predicateType: 'https://slsa.dev/verification_summary/v1' }),
    {},
    /it is a https:\/\/slsa/,
  ],
  [
    'a statement about something else',
    signed(trust, { subject: { name: 'x', digest: digestOf('other') } }),
    {},
    /does not hold/,
  ],
  ['a member that is not known', signed({ ...trust, more: 1 } as RuntimeTrust), {}, /does not know/],
  [
    'a mode that is not known',
    signed({
      ...trust,
      scopes: [{ repositories: '**', signatures: { ...policyOf([]), mode: 'block' } }],
    } as unknown as RuntimeTrust),
    {},
    /does not know/,
  ],
  ['no scopes', signed({ ...trust, scopes: [] }), {}, /does not know/],
  ['no JSON', Buffer.from('x'), {}, /not JSON/],
  ['an empty file', Buffer.alloc(0), {}, /not JSON/],
  ['JSON that is no bundle', Buffer.from('null'), {}, /no statement/],
  ['a bundle without an envelope', Buffer.from('{"dsseEnvelope":{"payload":7}}'), {}, /no statement/],
  ['a file that is too large', Buffer.alloc(17 * 1024 * 1024, 32), {}, /more than/],
  [
    'a key that stands twice',
    Buffer.from(signed(trust).toString().replace('{', '{"mediaType":"x",')),
    {},
    /stands twice/,
  ],
]

for (const [what, bundle, asked, why] of refusals) {
  test(`nodes do not take ${what}`, async () => {
    await assert.rejects(openTrust(bundle, { ...question, ...asked }), (error: Error) => {
      assert.equal((error as Error & { code?: string }).code, 'TRUST_INVALID')
      assert.match(error.message, why)
      return true
    })
  })
}

test('whatever changes in a signed trust, it does not hold or says the same', async () => {
  const bytes = signed(trust)
  const random = seededRandom(11)
  const below = (limit: number): number => Math.floor(random() * limit)
  for (let run = 0; run < 400; run++) {
    const changed = Buffer.from(bytes)
    const at = below(changed.length)
    changed[at] = (changed[at] as number) ^ (1 << below(8))
    const opened = await openTrust(changed, question).catch((error: Error & { code?: string }) => {
      assert.equal(error.code, 'TRUST_INVALID', error.stack)
      return undefined
    })
    if (opened) assert.deepEqual(plain(opened), plain(trust), `byte ${at}`)
  }
})

function signed(document: RuntimeTrust, more: Partial<Statement> = {}, by: ServerKey = key): Buffer {
  const predicate = plain(document)
  const digest = digestOf(JSON.stringify(predicate))
  return signStatement(by, { ...statement, subject: { name: 'x', digest }, ...more, predicate })
}

function makeKey(): ServerKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    privateKey: createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }) as string,
  }
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}
