import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, sign, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { initializeTSA } from '@sigstore/mock'
import { basicConstraints, makeCertificate } from '../../../../test/fixtures/make-certificate.ts'
import { digestOf, hexOf } from '../../../kernel/digest.ts'
import { trustedRootFromCertificates } from '../../trusted-roots/index.ts'
import type { Claim, Rejection } from '../../types.ts'
import { cosignLegacy } from './index.ts'

const digest = digestOf('an image')
// The stand-in for an authority makes its certificates when it starts; a minute later they are valid.
const stampedAt = Math.floor(Date.now() / 1000) * 1000 + 60_000
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const authority = await initializeTSA(generateKeyPairSync('ec', { namedCurve: 'P-256' }), new Date(stampedAt))
const pemOf = (der: ArrayBufferView<ArrayBuffer>): string =>
  new X509Certificate(Buffer.from(der as Uint8Array)).toString()
const root = makeCertificate({ name: 'root', notBefore: 0, notAfter: 1e12, extensions: [basicConstraints()] })
const trustedRoot = trustedRootFromCertificates({
  authorities: [root.pem],
  timestampAuthorities: [pemOf(authority.intCertificate), pemOf(authority.rootCertificate)],
})

async function stamp(bytes: Buffer): Promise<string> {
  const token = await authority.timestamp({
    artifactHash: createHash('sha256').update(bytes).digest(),
    hashAlgorithmOID: '2.16.840.1.101.3.4.2.1',
    nonce: 1,
    policyOID: '1.3.6.1.4.1.57264.2',
  })
  return JSON.stringify({ SignedRFC3161Timestamp: Buffer.from(token as Uint8Array).toString('base64') })
}

function judge(
  mediaType: string,
  bytes: Buffer,
  annotations: Record<string, string>,
): Promise<Claim | Rejection> {
  const layer = { mediaType, digest: digestOf(bytes), size: bytes.length, annotations }
  const attachment = {
    digest,
    via: 'att-tag',
    artifactType: undefined,
    annotations: {},
    layers: [layer],
  } as const
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const identity = { kind: 'key', publicKey: pem, trustedRoot } as const
  const signers = [{ name: 'release', identity, state: 'active' as const }]
  return cosignLegacy.verify(
    { attachment, layer, bytes },
    { subject: { digest, mediaType: '', size: 1 }, signers, now: 0 },
  )
}

const payload = Buffer.from(
  JSON.stringify({
    critical: {
      identity: { 'docker-reference': 'registry.example/app' },
      image: { 'docker-manifest-digest': digest },
      type: 'cosign container image signature',
    },
  }),
)
const signature = sign('sha256', payload, privateKey)

const type = 'application/vnd.in-toto+json'
const statement = Buffer.from(
  JSON.stringify({
    _type: 'https://in-toto.io/Statement/v0.1',
    subject: [{ digest: { sha256: hexOf(digest) } }],
    predicateType: 'https://slsa.dev/provenance/v1',
  }),
)
const message = Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${statement.length} `), statement])
const sig = sign('sha256', message, privateKey)
const envelope = Buffer.from(
  JSON.stringify({
    payloadType: type,
    payload: statement.toString('base64'),
    signatures: [{ keyid: '', sig: sig.toString('base64') }],
  }),
)

const simpleSigning = 'application/vnd.dev.cosign.simplesigning.v1+json'
const dsse = 'application/vnd.dsse.envelope.v1+json'
const cases: readonly [name: string, mediaType: string, bytes: Buffer, stamped: Buffer, isGood: boolean][] = [
  ['a signature that was stamped', simpleSigning, payload, signature, true],
  ['a signature whose payload was stamped', simpleSigning, payload, payload, false],
  ['an attestation whose envelope was stamped', dsse, envelope, envelope, true],
  ['an attestation whose signature alone was stamped', dsse, envelope, sig, false],
]
for (const [name, mediaType, bytes, stamped, isGood] of cases) {
  test(`${name} has ${isGood ? 'a proven time' : 'a timestamp of something else, and is refused'}`, async () => {
    const outcome = await judge(mediaType, bytes, {
      'dev.cosignproject.cosign/signature': mediaType === dsse ? '' : signature.toString('base64'),
      'dev.sigstore.cosign/rfc3161timestamp': await stamp(stamped),
    })
    assert.equal(outcome.status, isGood ? 'verified' : 'untrusted', JSON.stringify(outcome))
    if (outcome.status === 'verified') assert.equal(outcome.provenAt, stampedAt)
  })
}
