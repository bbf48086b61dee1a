import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { test } from 'node:test'
import {
  alternativeNames,
  basicConstraints,
  makeCertificate,
  type Made,
} from '../../../../test/fixtures/make-certificate.ts'
import { digestOf } from '../../../kernel/digest.ts'
import { trustedRootFromCertificates } from '../../trusted-roots/index.ts'
import type { CertificateIdentity, Claim, Rejection, SignerIdentity } from '../../types.ts'
import { cosignLegacy } from './index.ts'

const minute = 60_000
const signedAt = Date.parse('2026-03-01T12:00:00Z')
const now = Date.parse('2026-06-01T00:00:00Z')
const digest = digestOf('an image')
const payload = Buffer.from(
  JSON.stringify({
    critical: {
      identity: { 'docker-reference': 'registry.example/app' },
      image: { 'docker-manifest-digest': digest },
      type: 'cosign container image signature',
    },
    optional: null,
  }),
)

const log = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pemOf = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString()
const root = makeCertificate({
  name: 'root',
  notBefore: Date.parse('2026-01-01'),
  notAfter: Date.parse('2027-01-01'),
  extensions: [basicConstraints()],
})

/** A short certificate, as Fulcio gives them. */
function leafOf(name = 'builder@pratique.test', from = signedAt - minute): Made {
  const extensions = [alternativeNames([1, name])]
  return makeCertificate({
    name: 'leaf',
    issuer: root,
    notBefore: from,
    notAfter: from + 10 * minute,
    extensions,
  })
}

interface EntryWish {
  readonly signature: Buffer
  readonly verifier: string
  readonly hash?: string
  readonly integratedAt?: number
  readonly key?: KeyObject
  readonly logKey?: KeyObject
  readonly kind?: string
}

/** What Rekor gives back for a `hashedrekord`: the entry, and its promise over the canonical form (RFC 8785). */
function promise(wish: EntryWish): string {
  const { signature, verifier, integratedAt = signedAt, key = log.privateKey, logKey = log.publicKey } = wish
  const value = wish.hash ?? createHash('sha256').update(payload).digest('hex')
  const body = Buffer.from(
    JSON.stringify({
      apiVersion: '0.0.1',
      kind: wish.kind ?? 'hashedrekord',
      spec: {
        data: { hash: { algorithm: 'sha256', value } },
        signature: {
          content: signature.toString('base64'),
          publicKey: { content: Buffer.from(verifier).toString('base64') },
        },
      },
    }),
  ).toString('base64')
  const logID = createHash('sha256')
    .update(logKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
  const entry = { body, integratedTime: integratedAt / 1000, logID, logIndex: 7 }
  const SignedEntryTimestamp = sign('sha256', Buffer.from(JSON.stringify(entry)), key).toString('base64')
  return JSON.stringify({ SignedEntryTimestamp, Payload: entry })
}

function judge(
  signature: Buffer,
  identity: SignerIdentity,
  annotations: Record<string, string>,
): Promise<Claim | Rejection> {
  const layer = {
    mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
    digest: digestOf(payload),
    size: payload.length,
    annotations: { 'dev.cosignproject.cosign/signature': signature.toString('base64'), ...annotations },
  }
  const attachment = {
    digest,
    via: 'sig-tag',
    artifactType: undefined,
    annotations: {},
    layers: [layer],
  } as const
  const signers = [{ name: 'builder', identity, state: 'active' as const }]
  const question = { subject: { digest, mediaType: '', size: 1 }, signers, now }
  return cosignLegacy.verify({ attachment, layer, bytes: payload }, question)
}

const trustedRoot = trustedRootFromCertificates({
  authorities: [root.pem],
  rekorKeys: [pemOf(log.publicKey)],
})
const identity: CertificateIdentity = {
  kind: 'certificate',
  trustedRoot,
  subject: 'builder@pratique.test',
  match: 'exact',
  withoutSct: true,
}

function keyless(
  leaf: Made,
  entry: Partial<EntryWish> = {},
  change: Partial<CertificateIdentity> = {},
): Promise<Claim | Rejection> {
  const signature = sign('sha256', payload, leaf.privateKey)
  return judge(
    signature,
    { ...identity, ...change },
    {
      'dev.sigstore.cosign/certificate': leaf.pem,
      'dev.sigstore.cosign/chain': '',
      'dev.sigstore.cosign/bundle': promise({ signature, verifier: leaf.pem, ...entry }),
    },
  )
}

test('a certificate that has long ended counts at the time that the log has signed', async () => {
  const outcome = await keyless(leafOf())
  assert.ok(outcome.status === 'verified', JSON.stringify(outcome))
  assert.equal(outcome.provenAt, signedAt)
  assert.deepEqual([outcome.isLogged, outcome.isTimestamped], [true, false])
})

const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const attacks: readonly [name: string, why: RegExp, leaf: Made, entry: Partial<EntryWish>][] = [
  [
    'of another signature',
    /signature mismatch/,
    leafOf(),
    { signature: sign('sha256', payload, other.privateKey) },
  ],
  ['of another payload', /digest mismatch/, leafOf(), { hash: '0'.repeat(64) }],
  ['of another certificate', /another key or certificate/, leafOf(), { verifier: leafOf().pem }],
  ['of another key', /another key or certificate/, leafOf(), { verifier: pemOf(other.publicKey) }],
  ['of no key', /names no key/, leafOf(), { verifier: 'nonsense' }],
  ['of another kind', /unsupported kind/, leafOf(), { kind: 'rekord' }],
  ['from before the certificate', /not valid at/, leafOf(), { integratedAt: signedAt - 2 * minute }],
  ['from after the certificate', /not valid at/, leafOf(), { integratedAt: signedAt + 20 * minute }],
  ['from before the log', /promise/, leafOf(), { integratedAt: Date.parse('2025-12-31') }],
  ['signed by another key', /promise/, leafOf(), { key: other.privateKey }],
  ['of another log', /promise/, leafOf(), { key: other.privateKey, logKey: other.publicKey }],
]
for (const [name, why, leaf, entry] of attacks) {
  test(`a keyless signature with a log entry ${name} is refused`, async () => {
    const outcome = await keyless(leaf, entry)
    assert.ok(outcome.status !== 'verified')
    assert.match(outcome.why, why)
  })
}

test('a certificate of the same key for another name is not the one that was logged', async () => {
  const logged = leafOf('somebody@else.example')
  const signature = sign('sha256', payload, logged.privateKey)
  const mine = leafOf()
  const outcome = await judge(signature, identity, {
    'dev.sigstore.cosign/certificate': mine.pem,
    'dev.sigstore.cosign/bundle': promise({ signature, verifier: logged.pem }),
  })
  assert.match((outcome as Rejection).why, /did not make the signature/)
})

test('without the entry, the certificate has ended and nothing counts, even if no log is asked for', async () => {
  const leaf = leafOf()
  const signature = sign('sha256', payload, leaf.privateKey)
  const annotations = { 'dev.sigstore.cosign/certificate': leaf.pem }
  for (const withoutLog of [true, false]) {
    assert.equal((await judge(signature, { ...identity, withoutLog }, annotations)).status, 'untrusted')
  }
  const fresh = leafOf(undefined, now - minute)
  const current = sign('sha256', payload, fresh.privateKey)
  const outcome = await judge(
    current,
    { ...identity, withoutLog: true },
    { 'dev.sigstore.cosign/certificate': fresh.pem },
  )
  assert.equal(outcome.status, 'verified')
})

test('an entry that the root has no log for is nothing, good or bad', async () => {
  const withoutLogs = trustedRootFromCertificates({ authorities: [root.pem] })
  const fresh = leafOf(undefined, now - minute)
  const outcome = await keyless(
    fresh,
    { key: other.privateKey },
    { trustedRoot: withoutLogs, withoutLog: true },
  )
  assert.ok(outcome.status === 'verified', JSON.stringify(outcome))
  assert.deepEqual([outcome.isLogged, outcome.provenAt], [false, undefined])
  assert.equal((await keyless(fresh, {}, { trustedRoot: withoutLogs })).status, 'untrusted')
})

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keyIdentity: SignerIdentity = { kind: 'key', publicKey: pemOf(pair.publicKey), trustedRoot }
const byKey = sign('sha256', payload, pair.privateKey)

test('the entry of a key proves its time, and one that does not hold is refused by who could judge it', async () => {
  const annotation = (entry: Partial<EntryWish>): Record<string, string> => ({
    'dev.sigstore.cosign/bundle': promise({ signature: byKey, verifier: pemOf(pair.publicKey), ...entry }),
  })
  const good = await judge(byKey, keyIdentity, annotation({}))
  assert.deepEqual(good.status === 'verified' && [good.isLogged, good.provenAt], [true, signedAt])
  const forged = annotation({ key: other.privateKey })
  assert.equal((await judge(byKey, keyIdentity, forged)).status, 'untrusted')
  assert.equal(
    (await judge(byKey, keyIdentity, annotation({ verifier: pemOf(other.publicKey) }))).status,
    'untrusted',
  )
  const { trustedRoot: _, ...plain } = keyIdentity
  const ignored = await judge(byKey, plain, forged)
  assert.deepEqual(ignored.status === 'verified' && [ignored.isLogged, ignored.provenAt], [false, undefined])
})
