import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkEntrySigner, type MadeBy } from './log-entry-signer.ts'

const folder = join(import.meta.dirname, 'testdata', 'sigstore-conformance')
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey

interface Material {
  readonly certificate?: { readonly rawBytes: string }
  readonly x509CertificateChain?: { readonly certificates: readonly { readonly rawBytes: string }[] }
  readonly tlogEntries: readonly { readonly canonicalizedBody: string }[]
}

function load(name: string): { readonly body: Buffer; readonly madeBy: MadeBy } {
  const text = readFileSync(join(folder, name, 'bundle.sigstore.json'), 'utf8')
  const { verificationMaterial: material } = JSON.parse(text) as { verificationMaterial: Material }
  const raw = (material.certificate ?? material.x509CertificateChain?.certificates[0])?.rawBytes
  const body = Buffer.from(material.tlogEntries[0]?.canonicalizedBody ?? '', 'base64')
  if (raw === undefined) {
    return { body, madeBy: { key: createPublicKey(readFileSync(join(folder, name, 'key.pub'))) } }
  }
  const certificate = new X509Certificate(Buffer.from(raw, 'base64'))
  return { body, madeBy: { key: certificate.publicKey, certificate: certificate.raw } }
}

for (const [kind, name] of [
  ['dsse 0.0.1', 'happy-path-intoto-in-dsse-v3'],
  ['intoto 0.0.2', 'intoto-with-custom-trust-root'],
  ['hashedrekord 0.0.1', 'managed-key-happy-path'],
  ['hashedrekord 0.0.2', 'rekor2-happy-path'],
] as const) {
  test(`an entry of the kind ${kind} is for its own key or certificate, and for no other`, () => {
    const { body, madeBy } = load(name)
    checkEntrySigner(body, madeBy)
    const wrong = {
      ...madeBy,
      key: other,
      ...(madeBy.certificate ? { certificate: Buffer.from('other') } : {}),
    }
    assert.throws(() => checkEntrySigner(body, wrong), /another key or certificate/)
  })
}

test('a key alone is compared with the key in a certificate', () => {
  const { body, madeBy } = load('happy-path-intoto-in-dsse-v3')
  checkEntrySigner(body, { key: madeBy.key })
  assert.throws(() => checkEntrySigner(body, { key: other }), /another key or certificate/)
})

test('an entry of the kind dsse 0.0.2 names its key in DER', () => {
  const rawBytes = other.export({ type: 'spki', format: 'der' }).toString('base64')
  const entry = (verifier: unknown): Buffer =>
    Buffer.from(
      JSON.stringify({
        kind: 'dsse',
        apiVersion: '0.0.2',
        spec: { dsseV002: { signatures: [{ verifier }] } },
      }),
    )
  checkEntrySigner(entry({ publicKey: { rawBytes } }), { key: other })
  for (const verifier of [{}, null, 7, [], { publicKey: {} }, { x509Certificate: { rawBytes } }, 'AAAA']) {
    assert.throws(() => checkEntrySigner(entry(verifier), { key: other }), /names no key/)
  }
})

test('an entry that is no JSON, or of a kind that is not known, is refused', () => {
  for (const body of [
    '',
    '{}',
    '[]',
    '{"kind":"constructor","apiVersion":""}',
    '{"kind":"dsse","kind":"dsse"}',
  ]) {
    assert.throws(() => checkEntrySigner(Buffer.from(body), { key: other }), /not known|not JSON|twice/)
  }
})
