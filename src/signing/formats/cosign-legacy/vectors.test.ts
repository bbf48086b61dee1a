import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  readVectorBlob,
  readVectorFile,
  vectorAttachments,
  vectorCases,
  vectorSubject,
  type VectorCase,
  type VectorTrust,
} from '../../../../test/fixtures/vector-source.ts'
import { trustedRootFromCertificates } from '../../trusted-roots/index.ts'
import { vectorSigner as signerOf } from '../../../../test/fixtures/vector-signer.ts'
import type { Digest } from '../../../kernel/digest.ts'
import { signatureClaim, type Claim, type Rejection, type Signer, type SignerIdentity } from '../../types.ts'
import { sigstoreBundle } from '../sigstore-bundle/index.ts'
import { cosignLegacy } from './index.ts'

const now = Date.parse('2026-11-25T00:00:00Z')
const publicRoot = join(import.meta.dirname, '../sigstore-bundle/testdata/public-trusted-root.json')
const cases = vectorCases('cosign', 'sigstore')

/** What both of cosign's forms say of a digest in the repository of a case. */
async function judge(
  vector: VectorCase,
  signers: readonly Signer[] = [signerOf(vector.trust)],
  digest: Digest = vector.subject,
): Promise<readonly (Claim | Rejection)[]> {
  const outcomes: (Claim | Rejection)[] = []
  for (const attachment of vectorAttachments(vector, digest)) {
    for (const format of [cosignLegacy, sigstoreBundle]) {
      for (const layer of format.envelopesOf(attachment)) {
        const bytes = readVectorBlob(layer.digest)
        const question = { subject: vectorSubject(vector, digest), signers, now }
        outcomes.push(await format.verify({ attachment, layer, bytes }, question))
      }
    }
  }
  return outcomes
}

function claimsOf(outcomes: readonly (Claim | Rejection)[], claim: string = signatureClaim): Claim[] {
  return outcomes.filter((outcome) => outcome.status === 'verified').filter((found) => found.claim === claim)
}

function findCase(id: string): VectorCase {
  const found = cases.find((vector) => vector.id === id)
  assert.ok(found, `there is a case ${id}`)
  return found
}

/** Whose signature is good, and which only the binding to the name of the image refuses. */
const replays: Readonly<Record<string, string>> = {
  'legacy-other-repo': '127.0.0.1:5007/other/repo:1.0',
  'legacy-other-tag': '127.0.0.1:5007/atk/legacy-other-tag:0.9',
}

test('there are 34 cases of cosign', () => assert.equal(cases.length, 34))

for (const vector of cases) {
  const { id, expect, madeBy } = vector as VectorCase & { madeBy: string }
  if (expect === 'reject' && !(id in replays)) {
    test(`${id} (${madeBy}) gives no signature`, async () => {
      const outcomes = await judge(vector)
      assert.deepEqual(claimsOf(outcomes), [])
      assert.ok(outcomes.length > 0, 'something was judged')
    })
  } else {
    test(`${id} (${madeBy}) gives a signature of the trusted signer`, async () => {
      const outcomes = await judge(vector)
      const [claim, ...others] = claimsOf(outcomes)
      assert.ok(claim, JSON.stringify(outcomes))
      assert.equal(claim.signer, 'builder')
      assert.equal(others.length, vector.format.includes(' and ') ? 1 : 0)
      assert.deepEqual(
        outcomes.filter(({ status }) => status !== 'verified'),
        [],
      )
    })
  }
}

test('a signature for another repository or tag is good, and says for which it is', async () => {
  for (const [id, reference] of Object.entries(replays)) {
    const [claim] = claimsOf(await judge(findCase(id)))
    assert.equal(claim?.reference, reference)
    assert.notEqual(reference, findCase(id).reference)
  }
})

test('a signature of the index is none of its child', async () => {
  const child = 'sha256:bfb2dfb3798a5df0b728620d7f99b1399af5b6bb79f1a267edc3e9ae39de2c76' as Digest
  assert.deepEqual(claimsOf(await judge(findCase('multiarch-index-only'), undefined, child)), [])
  for (const id of ['multiarch-all', 'cosign-3.1-multiarch-recursive']) {
    assert.equal(claimsOf(await judge(findCase(id), undefined, child)).length, 1, id)
  }
})

test('skopeo writes the tag and a time into the payload, cosign the repository alone', async () => {
  const [ofSkopeo] = claimsOf(await judge(findCase('skopeo-1.22-key')))
  assert.equal(ofSkopeo?.reference, '127.0.0.1:5007/sks/ksk:1.0')
  assert.match(new Date(ofSkopeo?.claimedAt ?? 0).toISOString(), /^2026-11-23T/)
  const [ofCosign] = claimsOf(await judge(findCase('cosign-2.5-key')))
  assert.equal(ofCosign?.reference, '127.0.0.1:5007/cos25/key')
  assert.equal(ofCosign?.claimedAt, undefined)
})

test('attestations are claims of their own type, with their predicate', async () => {
  const bundles = await judge(findCase('cosign-3.1-key'))
  const [scan] = claimsOf(bundles, 'https://example.test/pratique/scan/v1')
  assert.deepEqual(scan?.predicate, { SPDXID: 'x' })
  assert.equal(scan?.reference, '127.0.0.1:5007/cos3/key')
  assert.equal(claimsOf(bundles, 'https://slsa.dev/provenance/v1').length, 1)
  const [legacy] = claimsOf(
    await judge(findCase('cosign-2.5-key')),
    'https://cosign.sigstore.dev/attestation/v1',
  )
  assert.equal(legacy?.format, 'cosign-legacy')
  assert.match(JSON.stringify(legacy?.predicate), /"Timestamp":"2026-11-23T10:55:35Z"/)
})

test('an attestation under annotations that call it a signature is an attestation', async () => {
  const outcomes = await judge(findCase('bundle-attestation-only'))
  assert.deepEqual(
    outcomes.map((outcome) => outcome.status === 'verified' && outcome.claim),
    ['https://example.test/pratique/scan/v1'],
  )
})

test('what a log and a timestamp authority have seen is told of keyless signatures', async () => {
  const [bundle] = claimsOf(await judge(findCase('keyless-bundle')))
  assert.deepEqual(bundle?.certificate, {
    subject: 'builder@pratique.test',
    issuer: 'https://idp.pratique.test',
  })
  assert.deepEqual([bundle?.isLogged, bundle?.isTimestamped], [true, true])
  assert.match(new Date(bundle?.provenAt ?? 0).toISOString(), /^2026-11-23T11:07:5/)
  const [legacy] = claimsOf(await judge(findCase('keyless-legacy')))
  assert.deepEqual([legacy?.isLogged, legacy?.isTimestamped], [true, false])
  assert.match(new Date(legacy?.provenAt ?? 0).toISOString(), /^2026-11-23T11:/)
})

test('a timestamp proves the time of a key signature only to who trusts the authority', async () => {
  const vector = findCase('key-with-tsa')
  const [claim] = claimsOf(await judge(vector))
  assert.deepEqual([claim?.isTimestamped, claim?.provenAt], [true, Date.parse('2026-11-23T11:08:44Z')])
  const { trustedRoot: _, ...withoutRoot } = vector.trust
  const [plain] = claimsOf(await judge(vector, [signerOf(withoutRoot)]))
  assert.deepEqual([plain?.isTimestamped, plain?.provenAt], [false, undefined])
})

test('a timestamp of an authority that the root of a key does not know is refused, not ignored', async () => {
  const vector = findCase('key-with-tsa')
  const root = JSON.parse(readVectorFile('trust/pki-trusted_root_tsa.json')) as Record<string, unknown>
  const [other] = (
    JSON.parse(readFileSync(publicRoot, 'utf8')) as { timestampAuthorities: readonly unknown[] }
  ).timestampAuthorities
  const trustedRoot = JSON.stringify({ ...root, timestampAuthorities: [other] })
  const { publicKey } = vector.trust
  const identity: SignerIdentity = { kind: 'key', publicKey: readVectorFile(publicKey ?? ''), trustedRoot }
  const outcomes = await judge(vector, [{ name: 'builder', identity, state: 'active' }])
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['untrusted'],
  )
})

test('a timestamp that its authority did not grant is refused', async () => {
  const vector = findCase('key-with-tsa')
  const [attachment] = vectorAttachments(vector, vector.subject)
  const [layer] = attachment?.layers ?? []
  assert.ok(attachment && layer)
  const text = readVectorBlob(layer.digest).toString()
  const [, token = ''] = /"signedTimestamp":"([^"]+)"/.exec(text) ?? []
  const der = Buffer.from(token, 'base64')
  // RFC 3161 section 2.4.2: the status stands before what is signed; 0 is granted, 2 is a rejection.
  const at = der.indexOf(Buffer.from('3003020100', 'hex')) + 4
  assert.equal(at, 8)
  const question = { subject: vectorSubject(vector), signers: [signerOf(vector.trust)], now }
  for (const [status, isGood] of [
    [0, true],
    [1, true],
    [2, false],
  ] as const) {
    der[at] = status
    const bytes = Buffer.from(text.replace(token, der.toString('base64')))
    const outcome = await sigstoreBundle.verify({ attachment, layer, bytes }, question)
    assert.equal(outcome.status === 'verified', isGood)
  }
})

test('a keyless signature is of nobody for another name, another issuer, or another root', async () => {
  const vector = findCase('keyless-bundle')
  const changes: readonly Partial<VectorTrust>[] = [
    { identity: 'builder@pratique.tes' },
    { identity: 'uilder@pratique.test' },
    { identity: 'builder@pratique.test.evil.example' },
    { identity: 'Builder@pratique.test' },
    { identity: '.*' },
    { issuer: 'https://idp.pratique.test/' },
    { issuer: '' },
    { trustedRoot: 'trust/pki-trusted_root.json' },
    { trustedRoot: 'trust/pki-trusted_root.json', noTlog: true, noSct: true },
  ]
  for (const change of changes) {
    const outcomes = await judge(vector, [signerOf({ ...vector.trust, ...change })])
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['untrusted', 'untrusted'],
      JSON.stringify(change),
    )
  }
})

test('a signer who need not be logged or seen by a certificate log is found all the same', async () => {
  const vector = findCase('keyless-bundle')
  const [claim] = claimsOf(await judge(vector, [signerOf({ ...vector.trust, noTlog: true, noSct: true })]))
  assert.equal(claim?.isLogged, true)
})

test('a PKI of certificates alone needs the signer to be allowed to go without a log', async () => {
  const vector = findCase('byo-pki-bundle')
  for (const [change, why] of [
    [{ noTlog: false }, /log has seen the signature/],
    [{ noSct: false }, /certificate transparency log/],
  ] as const) {
    const [outcome] = await judge(vector, [signerOf({ ...vector.trust, ...change })])
    assert.equal(outcome?.status, 'untrusted')
    assert.match(outcome?.status === 'untrusted' ? outcome.why : '', why)
  }
})

test('an intermediate that came with the signature is used, if the trusted root has issued it', async () => {
  const { caIntermediates: _, ...trust } = findCase('byo-pki-legacy').trust
  assert.equal(claimsOf(await judge(findCase('byo-pki-legacy'), [signerOf(trust)])).length, 1)
  // A bundle of version 0.3 carries no chain.
  assert.deepEqual(claimsOf(await judge(findCase('byo-pki-bundle'), [signerOf({ ...trust })])), [])
  const stranger = { ...trust, caRoots: 'trust/notation-root.pem' }
  assert.deepEqual(claimsOf(await judge(findCase('byo-pki-legacy'), [signerOf(stranger)])), [])
})

test('a root that is made of the files of a private stack verifies what its own root does', async () => {
  const trustedRoot = trustedRootFromCertificates({
    authorities: [readVectorFile('trust/keyless-fulcio-root.pem')],
    timestampAuthorities: [readVectorFile('trust/tsa-chain.pem')],
    rekorKeys: [readVectorFile('trust/keyless-rekor.pub')],
    ctKeys: [readVectorFile('trust/keyless-ctfe.pub')],
  })
  for (const id of [
    'keyless-bundle',
    'keyless-legacy',
    'keyless-ok',
    'keyless-tlog-swapped',
    'keyless-no-tlog',
  ]) {
    const vector = findCase(id)
    const signer = signerOf(vector.trust)
    const identity = { ...signer.identity, trustedRoot } as SignerIdentity
    const own = (await judge(vector)).map(({ status }) => status)
    const made = (await judge(vector, [{ ...signer, identity }])).map(({ status }) => status)
    assert.deepEqual(made, own, id)
  }
})

test('who is revoked decides before who is active, where both go by the name in a certificate', async () => {
  const vector = findCase('keyless-bundle')
  const active = signerOf(vector.trust)
  const anyone = { ...active.identity, subject: '*@pratique.test', match: 'glob' } as SignerIdentity
  const revoked: Signer = { name: 'left', identity: anyone, state: 'revoked' }
  for (const signers of [
    [active, revoked],
    [revoked, active],
  ]) {
    const [claim] = claimsOf(await judge(vector, signers))
    assert.equal(claim?.signer, 'left')
  }
})
