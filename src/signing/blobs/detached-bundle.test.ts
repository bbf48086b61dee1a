import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { test } from 'node:test'
import {
  alternativeNames,
  basicConstraints,
  makeCertificate,
} from '../../../test/fixtures/make-certificate.ts'
import { seededRandom } from '../../../test/fixtures/seeded-random.ts'
import { digestOf } from '../../kernel/digest.ts'
import { SigningFailure } from '../failures.ts'
import { verifyBlobBundle } from '../formats/sigstore-bundle/index.ts'
import { trustedRootFromCertificates } from '../trusted-roots/index.ts'
import type { CertificateIdentity, Claim, Rejection } from '../types.ts'
import { bundleOfDetached, readOldBundle, type DetachedSignature } from './detached-bundle.ts'

const minute = 60_000
const signedAt = Date.parse('2026-03-01T12:00:00Z')
const now = Date.parse('2026-06-01T00:00:00Z')
const file = Buffer.from('a program')
const log = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const root = makeCertificate({
  name: 'root',
  notBefore: Date.parse('2026-01-01'),
  notAfter: Date.parse('2027-01-01'),
  extensions: [basicConstraints()],
})
/** A certificate of ten minutes, as Fulcio gives them. */
const leaf = makeCertificate({
  name: 'leaf',
  issuer: root,
  notBefore: signedAt - minute,
  notAfter: signedAt + 9 * minute,
  extensions: [alternativeNames([1, 'krel@releases.example'])],
})
const pemOf = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString()
const identity: CertificateIdentity = {
  kind: 'certificate',
  trustedRoot: trustedRootFromCertificates({ authorities: [root.pem], rekorKeys: [pemOf(log.publicKey)] }),
  subject: 'krel@releases.example',
  match: 'exact',
  withoutSct: true,
}

const signature = sign('sha256', file, leaf.privateKey).toString('base64')
const entry = logged()
const promise = sign('sha256', Buffer.from(JSON.stringify(entry)), log.privateKey).toString('base64')
const answered = JSON.stringify({ a1: { ...entry, verification: { signedEntryTimestamp: promise } } })
const kept = JSON.stringify({ SignedEntryTimestamp: promise, Payload: entry })
const packed = Buffer.from(leaf.pem).toString('base64')

/** What Rekor gives back for a `hashedrekord`. */
function logged(): { body: string; integratedTime: number; logID: string; logIndex: number } {
  const body = {
    apiVersion: '0.0.1',
    kind: 'hashedrekord',
    spec: {
      data: { hash: { algorithm: 'sha256', value: createHash('sha256').update(file).digest('hex') } },
      signature: { content: signature, publicKey: { content: Buffer.from(leaf.pem).toString('base64') } },
    },
  }
  const der = log.publicKey.export({ type: 'spki', format: 'der' })
  return {
    body: Buffer.from(JSON.stringify(body)).toString('base64'),
    integratedTime: signedAt / 1000,
    logID: createHash('sha256').update(der).digest('hex'),
    logIndex: 7,
  }
}

function judge(
  detached: DetachedSignature,
  content = file,
  change: Partial<CertificateIdentity> = {},
): Promise<Claim | Rejection> {
  const signers = [{ name: 'krel', identity: { ...identity, ...change }, state: 'active' as const }]
  const blob = { digest: digestOf(content), bytes: content }
  return verifyBlobBundle(bundleOfDetached(content, detached), blob, signers, now)
}

for (const [about, detached] of [
  [
    "as Kubernetes' releases have them, with what Rekor answers",
    { signature, certificate: packed, logEntry: answered },
  ],
  [
    'with a certificate in PEM and what cosign keeps',
    { signature: `${signature}\n`, certificate: leaf.pem, logEntry: kept },
  ],
] as const) {
  test(`signature and certificate ${about} count at the time that the log proves`, async () => {
    const outcome = await judge(detached)
    assert.ok(outcome.status === 'verified', JSON.stringify(outcome))
    assert.equal(outcome.provenAt, signedAt)
    assert.equal(outcome.certificate?.subject, 'krel@releases.example')
  })
}

test('a bundle of cosign 2 is the same, and one by a key has a key where the certificate would be', async () => {
  const text = JSON.stringify({
    base64Signature: signature,
    cert: packed,
    rekorBundle: JSON.parse(kept) as object,
  })
  const old = readOldBundle(text)
  assert.ok(old)
  assert.equal((await judge(old)).status, 'verified')
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const byKey = readOldBundle(
    JSON.stringify({
      base64Signature: sign('sha256', file, privateKey).toString('base64'),
      cert: Buffer.from(pemOf(publicKey)).toString('base64'),
    }),
  )
  assert.ok(byKey)
  const key = {
    name: 'k',
    identity: { kind: 'key' as const, publicKey: pemOf(publicKey) },
    state: 'active' as const,
  }
  const blob = { digest: digestOf(file), bytes: file }
  assert.equal((await verifyBlobBundle(bundleOfDetached(file, byKey), blob, [key], now)).status, 'verified')
  assert.equal(readOldBundle('{"mediaType": "x"}'), undefined)
})

test('without the entry a certificate that has ended counts for nothing, even where no log is asked for', async () => {
  for (const change of [{}, { withoutLog: true }]) {
    const outcome = await judge({ signature, certificate: packed }, file, change)
    assert.equal(outcome.status, 'untrusted')
  }
})

test('another file, another name, and an entry of another signature are refused', async () => {
  const detached = { signature, certificate: packed, logEntry: answered }
  assert.notEqual((await judge(detached, Buffer.from('another program'))).status, 'verified')
  assert.notEqual((await judge(detached, file, { subject: 'krel@releases.example.evil' })).status, 'verified')
  const again = sign('sha256', file, leaf.privateKey).toString('base64')
  assert.notEqual((await judge({ ...detached, signature: again })).status, 'verified')
})

for (const [about, change] of [
  ['a signature that is no base64', { signature: 'not base64!' }],
  ['an empty signature', { signature: '' }],
  ['a certificate that is none', { certificate: 'hello' }],
  [
    'a private key in place of a certificate',
    { certificate: '-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----' },
  ],
  ['a huge certificate', { certificate: 'A'.repeat(300_000) }],
  ['an entry that is no JSON', { logEntry: '{' }],
  ['an entry with a name twice', { logEntry: '{"a": 1, "a": 2}' }],
  ['an entry of another shape', { logEntry: '{"a": {}}' }],
  ['two entries', { logEntry: JSON.stringify({ a: read(answered, 'a1'), b: read(answered, 'a1') }) }],
  ['no entry in an answer', { logEntry: '{}' }],
  ['a huge entry', { logEntry: `"${'a'.repeat(300_000)}"` }],
] as const) {
  test(`${about} is refused with what is wrong`, () => {
    assert.throws(
      () => bundleOfDetached(file, { signature, certificate: packed, logEntry: answered, ...change }),
      (error: unknown) => error instanceof SigningFailure && error.message.length < 300,
    )
  })
}

function read(text: string, name: string): unknown {
  return (JSON.parse(text) as Record<string, unknown>)[name]
}

test('whatever single character is changed, nothing crashes and nothing else is accepted', async () => {
  const random = seededRandom(20_260_301)
  const alphabet = 'ABCxyz019+/=-{}":, \n'
  const pick = (length: number): number => Math.floor(random() * length)
  const good = { signature, certificate: leaf.pem, logEntry: kept }
  const names = Object.keys(good) as (keyof typeof good)[]
  for (let round = 0; round < 600; round++) {
    const name = names[pick(names.length)] ?? 'signature'
    const at = pick(good[name].length)
    const text = `${good[name].slice(0, at)}${alphabet[pick(alphabet.length)]}${good[name].slice(at + 1)}`
    try {
      const outcome = await judge({ ...good, [name]: text })
      // White space means nothing where base64 is read.
      if (outcome.status === 'verified')
        assert.equal(meaning(text, name), meaning(good[name], name), `${name} ${at}`)
    } catch (error) {
      assert.ok(error instanceof SigningFailure, String(error))
    }
  }
})

function meaning(text: string, name: string): string {
  if (name === 'signature') return Buffer.from(text, 'base64').toString('hex')
  return name === 'certificate' ? text.replaceAll(/\s/g, '') : JSON.stringify(JSON.parse(text))
}
