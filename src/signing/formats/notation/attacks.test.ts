import assert from 'node:assert/strict'
import { createPrivateKey, sign, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { makeCodeAuthority, makeCodeSigner } from '../../../../test/fixtures/code-signer.ts'
import type { Digest } from '../../../kernel/digest.ts'
import type { Attachment, Claim, Rejection, Signer, Subject } from '../../types.ts'
import { notation } from './notation.ts'
import { signNotation } from './sign-notation.ts'

// Certificates are made after this line, and none is valid before it was made.
const now = Date.now() + 60_000
const subject: Subject = {
  digest: `sha256:${'a'.repeat(64)}` as Digest,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  size: 100,
}
const authority = makeCodeAuthority()
const release = makeCodeSigner('/C=DE/ST=Hamburg/O=Harbour/CN=Release', authority)
const key = createPrivateKey(release.privateKey)

function judge(
  envelope: object | string,
  change: Partial<Signer['identity']> = {},
): Promise<Claim | Rejection> {
  const bytes = Buffer.from(typeof envelope === 'string' ? envelope : JSON.stringify(envelope))
  const layer = { mediaType: 'application/jose+json', digest: `sha256:${'1'.repeat(64)}`, size: bytes.length }
  const attachment: Attachment = {
    digest: `sha256:${'2'.repeat(64)}` as Digest,
    via: 'referrer',
    artifactType: 'application/vnd.cncf.notary.signature',
    annotations: {},
    layers: [layer],
  }
  const identity = {
    kind: 'notation',
    authorities: [release.root],
    timestampAuthorities: [],
    subject: 'C=DE, ST=Hamburg, O=Harbour',
    ...change,
  } as Signer['identity']
  return notation.verify(
    { attachment, layer, bytes },
    { subject, signers: [{ name: 'release', identity, state: 'active' }], now },
  )
}

const encode = (value: object | string): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const base64 = (pem: string): string => new X509Certificate(pem).raw.toString('base64')
const chain = release.chain.split(/(?<=-----END CERTIFICATE-----\n)/).filter((pem) => pem.trim() !== '')
const payload = { targetArtifact: subject }
const headers = {
  alg: 'ES256',
  crit: ['io.cncf.notary.signingScheme'],
  cty: 'application/vnd.cncf.notary.payload.v1+json',
  'io.cncf.notary.signingScheme': 'notary.x509',
  'io.cncf.notary.signingTime': new Date(now).toISOString().replace(/\.\d+Z/, 'Z'),
}

/** An envelope that is really signed, whatever is wrong with it. */
function forge(wish: { headers?: object | string; payload?: object | string; x5c?: string[] } = {}): object {
  const head = encode(wish.headers ?? headers)
  const body = encode(wish.payload ?? payload)
  const signature = sign('sha256', Buffer.from(`${head}.${body}`), { key, dsaEncoding: 'ieee-p1363' })
  return {
    payload: body,
    protected: head,
    header: { x5c: wish.x5c ?? chain.map(base64) },
    signature: signature.toString('base64url'),
  }
}

test('what we sign, and what is forged without a fault, is verified', async () => {
  const ours = await signNotation({ subject, key, certificateChain: [release.chain], now })
  assert.equal((await judge(ours.toString())).status, 'verified')
  assert.equal((await judge(forge())).status, 'verified')
})

const text = JSON.stringify(headers)
const attacks: readonly [name: string, envelope: object | string][] = [
  ['no algorithm', forge({ headers: { ...headers, alg: 'none' } })],
  ['a symmetric algorithm', forge({ headers: { ...headers, alg: 'HS256' } })],
  ['the algorithm of another key', forge({ headers: { ...headers, alg: 'PS256' } })],
  ['a longer hash than the key has', forge({ headers: { ...headers, alg: 'ES384' } })],
  [
    'a critical header that is not understood',
    forge({ headers: { ...headers, crit: [...headers.crit, 'x'], x: 1 } }),
  ],
  ['a critical header that is not there', forge({ headers: { ...headers, crit: [...headers.crit, 'x'] } })],
  ['a scheme that is not critical', forge({ headers: { ...headers, crit: [] } })],
  [
    'another scheme',
    forge({ headers: { ...headers, 'io.cncf.notary.signingScheme': 'notary.x509.signingAuthority' } }),
  ],
  ['another content type', forge({ headers: { ...headers, cty: 'application/json' } })],
  ['a header twice', forge({ headers: text.replace('{', '{"alg":"ES256",') })],
  ['no signing time', forge({ headers: { ...headers, 'io.cncf.notary.signingTime': undefined } })],
  [
    'an expiry that has passed',
    forge({
      headers: {
        ...headers,
        crit: [...headers.crit, 'io.cncf.notary.expiry'],
        'io.cncf.notary.expiry': '2020-01-01T00:00:00Z',
      },
    }),
  ],
  [
    'another digest',
    forge({ payload: { targetArtifact: { ...subject, digest: `sha256:${'b'.repeat(64)}` } } }),
  ],
  ['a size that is off by one', forge({ payload: { targetArtifact: { ...subject, size: 101 } } })],
  ['another media type', forge({ payload: { targetArtifact: { ...subject, mediaType: 'a/b' } } })],
  [
    'a digest twice in the payload',
    forge({
      payload: JSON.stringify(payload).replace('"digest"', `"digest":"sha256:${'b'.repeat(64)}","digest"`),
    }),
  ],
  ['no certificates', forge({ x5c: [] })],
  ['a chain without its root', forge({ x5c: chain.slice(0, 1).map(base64) })],
  ['the root in place of the leaf', forge({ x5c: chain.toReversed().map(base64) })],
  [
    'the certificate of another key',
    forge({
      x5c: [makeCodeSigner('/C=DE/ST=Hamburg/O=Harbour/CN=Release', authority).chain, release.root].map(
        base64,
      ),
    }),
  ],
  ['a chain that no one ends', forge({ x5c: Array.from({ length: 30 }, () => base64(release.root)) })],
  ['two signatures', { payload: encode(payload), signatures: [forge(), forge()] }],
  ['nothing', ''],
  ['deep JSON', `${'['.repeat(50_000)}${']'.repeat(50_000)}`],
]
for (const [name, envelope] of attacks) {
  test(`refused: ${name}`, async () => {
    const outcome = await judge(envelope)
    assert.notEqual(outcome.status, 'verified')
    assert.ok(outcome.status !== 'verified' && outcome.why.length > 0)
  })
}

test('a certificate of the same authority for another name does not count, and a shorter name does', async () => {
  const other = { subject: 'C=DE, ST=Hamburg, O=Harbour, CN=Canteen' } as never
  assert.equal((await judge(forge(), other)).status, 'untrusted')
  assert.equal((await judge(forge(), { subject: '*' })).status, 'verified')
})

test('an authority that nobody named does not count', async () => {
  const stranger = { authorities: [makeCodeAuthority().root] } as never
  assert.equal((await judge(forge(), stranger)).status, 'untrusted')
})
