import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { seededRandom } from '../../../../test/fixtures/seeded-random.ts'
import {
  readVectorFile,
  vectorAttachments,
  vectorCases,
  vectorSource,
  vectorSubject,
  type VectorCase,
} from '../../../../test/fixtures/vector-source.ts'
import type { Digest } from '../../../kernel/digest.ts'
import type { Attachment, Claim, NotationIdentity, Rejection, Signer, Subject } from '../../types.ts'
import { verifyImage } from '../../verify-image.ts'
import { notation } from './notation.ts'

const signed = Date.parse('2026-11-23T12:00:00Z')

function signerOf({ trust }: VectorCase): Signer {
  const { ca, tsa } = trust.notation?.trustStore ?? { ca: '', tsa: '' }
  const identity: NotationIdentity = {
    kind: 'notation',
    authorities: [readVectorFile(ca)],
    timestampAuthorities: [readVectorFile(tsa)],
    subject: '*',
  }
  return { name: 'acme', identity, state: 'active' }
}

for (const vector of vectorCases('notation')) {
  test(`vector ${vector.id}: ${vector.expect}`, async () => {
    const { status, claims, rejections } = await verifyImage(
      vectorSource(vector),
      vectorSubject(vector),
      [signerOf(vector)],
      signed,
    )
    const expected = vector.expect === 'accept'
    assert.equal(status === 'verified', expected, JSON.stringify({ claims, rejections }))
    if (!expected) assert.ok(rejections.length > 0, 'it is said why')
  })

  if (vector.expect === 'accept') {
    test(`vector ${vector.id}: not for another signer, another name or another image`, async () => {
      const signer = signerOf(vector)
      const identity = signer.identity as NotationIdentity
      const others: Signer[] = [
        { ...signer, identity: { ...identity, authorities: [testdata('NotationTestRoot.pem').toString()] } },
        { ...signer, identity: { ...identity, subject: 'C=XX, ST=Nowhere, O=Nobody' } },
      ]
      for (const other of others) {
        const { status } = await verifyImage(vectorSource(vector), vectorSubject(vector), [other], signed)
        assert.equal(status, 'untrusted')
      }
      const subject = vectorSubject(vector)
      for (const wrong of [
        { ...subject, size: subject.size + 1 },
        { ...subject, mediaType: 'application/vnd.docker.distribution.manifest.v2+json' },
      ]) {
        const { status } = await verifyImage(vectorSource(vector), wrong, [signer], signed)
        assert.notEqual(status, 'verified')
      }
    })

    test(`vector ${vector.id}: no change of a byte is accepted, or it changes nothing that is said`, async () => {
      const random = seededRandom(20261125)
      const [attachment] = vectorAttachments(vector, vector.subject)
      const layer = (attachment as Attachment).layers[0]
      assert.ok(attachment && layer)
      const bytes = await vectorSource(vector).readBlob(layer.digest as Digest, 1_000_000)
      const question = { subject: vectorSubject(vector), signers: [signerOf(vector)], now: signed }
      const good = await notation.verify({ attachment, layer, bytes }, question)
      assert.equal(good.status, 'verified')
      for (let round = 0; round < 150; round++) {
        const changed = Buffer.from(bytes)
        const at = Math.floor(random() * changed.length)
        changed[at] = (changed[at] as number) ^ (1 << Math.floor(random() * 8))
        const outcome = await notation.verify({ attachment, layer, bytes: changed }, question)
        if (outcome.status === 'verified') assert.deepEqual(outcome, good, `byte ${at}`)
      }
      for (const cut of [0, 1, 10, bytes.length - 1]) {
        const outcome = await notation.verify({ attachment, layer, bytes: bytes.subarray(0, cut) }, question)
        assert.equal(outcome.status, 'malformed')
      }
      const longer = await notation.verify(
        { attachment, layer, bytes: Buffer.concat([bytes, Buffer.of(0)]) },
        question,
      )
      assert.equal(longer.status, 'malformed')
    })
  }
}

function testdata(name: string): Buffer {
  return readFileSync(join(import.meta.dirname, 'testdata', name))
}

const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json'
const own = 'sha256:60043cf45eaebc4c0867fea485a039b598f52fd09fd5b07b0b2d2f88fad9d74e'
const stamped = 'sha256:c0669ef34cdc14332c0f1ab0c2c01acb91d96014b172f1a76f3a39e63d1f0bda'

function verifyFile(
  name: string,
  digest: string,
  identity: Partial<NotationIdentity>,
  now = signed,
  mediaType = name.startsWith('cose') ? 'application/cose' : 'application/jose+json',
): Promise<Claim | Rejection> {
  const bytes = testdata(name)
  const layer = { mediaType, digest: `sha256:${'1'.repeat(64)}`, size: bytes.length }
  const attachment: Attachment = {
    digest: `sha256:${'2'.repeat(64)}` as Digest,
    via: 'referrer',
    artifactType: 'application/vnd.cncf.notary.signature',
    annotations: {},
    layers: [layer],
  }
  const subject: Subject = { digest: digest as Digest, mediaType: dockerManifest, size: 528 }
  const root = testdata('NotationTestRoot.pem').toString()
  const signer: Signer = {
    name: 'acme',
    state: 'active',
    identity: {
      kind: 'notation',
      authorities: [root],
      timestampAuthorities: [],
      subject: 'C=US, ST=WA, O=Notary',
      ...identity,
    },
  }
  return notation.verify({ attachment, layer, bytes }, { subject, signers: [signer], now })
}

const outcomes: readonly [name: string, file: string, digest: string, expected: string, why: RegExp][] = [
  ['a good signature', 'ca_valid_sig_env.json', own, 'verified', /./],
  ['of another image', 'ca_valid_sig_env.json', stamped, 'malformed', /another|digest|names/],
  ['whose signature was changed', 'ca_invalid_sig_env.json', own, 'malformed|untrusted', /./],
  ['that has expired', 'ca_expired_sig_env.json', own, 'untrusted', /expired/],
]
for (const [name, file, digest, expected, why] of outcomes) {
  test(`the Notary Project's own file ${name} is ${expected}`, async () => {
    const outcome = await verifyFile(file, digest, {})
    assert.match(outcome.status, new RegExp(`^(${expected})$`), JSON.stringify(outcome))
    if (outcome.status !== 'verified') assert.match(outcome.why, why)
  })
}

/** The leaf that signed itself is its own trust store. */
function selfSignedRoot(): string {
  const { header } = JSON.parse(testdata('jwsWithTimestamp.sig').toString()) as { header: { x5c: string[] } }
  return `-----BEGIN CERTIFICATE-----\n${header.x5c.at(-1)}\n-----END CERTIFICATE-----\n`
}

for (const file of ['jwsWithTimestamp.sig', 'coseWithTimestamp.sig']) {
  test(`${file}: the timestamp of a public authority proves the time, and one that is not trusted refuses`, async () => {
    const trusted = {
      authorities: [selfSignedRoot()],
      timestampAuthorities: [testdata('globalsignRoot.pem').toString()],
    }
    const good = await verifyFile(file, stamped, trusted)
    assert.equal(good.status, 'verified', JSON.stringify(good))
    assert.ok(good.status === 'verified' && good.isTimestamped)
    assert.match(new Date(good.provenAt ?? 0).toISOString(), /^2024-06-18/)
    const foreign = await verifyFile(file, stamped, {
      ...trusted,
      timestampAuthorities: [testdata('NotationTestRoot.pem').toString()],
    })
    assert.equal(foreign.status, 'untrusted', JSON.stringify(foreign))
  })
}

test('without a timestamp no time is proven', async () => {
  const outcome = await verifyFile('withoutTimestamp.sig', stamped, { authorities: [selfSignedRoot()] })
  if (outcome.status === 'verified') assert.equal(outcome.provenAt, undefined)
})

test('a JWS is not read as COSE, nor the other way round', async () => {
  const asCose = await verifyFile('ca_valid_sig_env.json', own, {}, signed, 'application/cose')
  assert.equal(asCose.status, 'malformed')
  const asJws = await verifyFile('coseWithTimestamp.sig', stamped, {}, signed, 'application/jose+json')
  assert.equal(asJws.status, 'malformed')
})
