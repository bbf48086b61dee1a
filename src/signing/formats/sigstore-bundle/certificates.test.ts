import assert from 'node:assert/strict'
import { sign } from 'node:crypto'
import { test } from 'node:test'
import {
  alternativeNames as san,
  basicConstraints,
  extendedKeyUsage,
  extension,
  keyUsage,
  makeCertificate,
  sequence,
  tlv,
  type Made,
} from '../../../../test/fixtures/make-certificate.ts'
import { digestOf, hexOf } from '../../../kernel/digest.ts'
import { trustedRootFromCertificates } from '../../trusted-roots/index.ts'
import type { CertificateIdentity, Claim, Rejection } from '../../types.ts'
import { sigstoreBundle } from './index.ts'

const now = Date.parse('2026-06-01T00:00:00Z')
const day = 86_400_000
const codeSigning = '1.3.6.1.5.5.7.3.3'
const serverAuthentication = '1.3.6.1.5.5.7.3.1'
const digest = digestOf('an image')

interface Wish {
  readonly name: string
  readonly issuer?: Made
  readonly extensions?: readonly Buffer[]
  /** Days from now. */
  readonly from?: number
  readonly to?: number
}

function make({ from = -10, to = 10, ...wish }: Wish): Made {
  return makeCertificate({ ...wish, notBefore: now + from * day, notAfter: now + to * day })
}

const authority = [basicConstraints(), keyUsage(5)]
const forCode = extendedKeyUsage(codeSigning)
const fulcio = (arc: number, value: Buffer): Buffer => extension(`1.3.6.1.4.1.57264.1.${arc}`, value)

const root = make({ name: 'root', extensions: authority, from: -100, to: 100 })
const intermediate = make({ name: 'intermediate', issuer: root, extensions: authority })
const trustedRoot = trustedRootFromCertificates({
  authorities: [root.pem, intermediate.pem],
})

const identity: CertificateIdentity = {
  kind: 'certificate',
  trustedRoot,
  subject: 'builder@pratique.test',
  match: 'exact',
  withoutLog: true,
  withoutSct: true,
}
const mail = san([1, 'builder@pratique.test'])

async function judge(
  leaf: Made,
  change: Partial<CertificateIdentity> = {},
  { chain, signedWith = leaf }: { chain?: readonly Made[]; signedWith?: Made } = {},
): Promise<Claim | Rejection> {
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ digest: { sha256: hexOf(digest) } }],
    predicateType: 'https://sigstore.dev/cosign/sign/v1',
  }
  const type = 'application/vnd.in-toto+json'
  const body = Buffer.from(JSON.stringify(statement))
  const message = Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${body.length} `), body])
  const sig = sign('sha256', message, signedWith.privateKey).toString('base64')
  const rawOf = ({ der }: Made): object => ({ rawBytes: der.toString('base64') })
  const mediaType = chain
    ? 'application/vnd.dev.sigstore.bundle+json;version=0.2'
    : 'application/vnd.dev.sigstore.bundle.v0.3+json'
  const bytes = Buffer.from(
    JSON.stringify({
      mediaType,
      verificationMaterial: chain
        ? { x509CertificateChain: { certificates: [leaf, ...chain].map(rawOf) } }
        : { certificate: rawOf(leaf) },
      dsseEnvelope: { payload: body.toString('base64'), payloadType: type, signatures: [{ sig }] },
    }),
  )
  const layer = { mediaType, digest: digestOf(bytes), size: bytes.length }
  const attachment = {
    digest: digestOf('manifest'),
    via: 'referrer',
    artifactType: mediaType,
    annotations: {},
    layers: [layer],
  } as const
  const signers = [{ name: 'builder', identity: { ...identity, ...change }, state: 'active' as const }]
  return sigstoreBundle.verify(
    { attachment, layer, bytes },
    { subject: { digest, mediaType: '', size: 1 }, signers, now },
  )
}

function leafWith(extensions: readonly Buffer[], wish: Partial<Wish> = {}): Made {
  return make({ name: 'leaf', issuer: intermediate, extensions, ...wish })
}

test('a certificate of a trusted authority that is valid now makes the signature that of its name', async () => {
  const outcome = await judge(leafWith([mail, forCode]))
  assert.ok(outcome.status === 'verified', JSON.stringify(outcome))
  assert.deepEqual(outcome.certificate, { subject: 'builder@pratique.test' })
  assert.equal(outcome.provenAt, undefined)
})

test('e-mail addresses, URIs and DNS names are names, and any one of several counts', async () => {
  const several = san([6, 'https://a.example/x'], [2, 'build.example'], [1, 'builder@pratique.test'])
  for (const subject of ['https://a.example/x', 'build.example', 'builder@pratique.test']) {
    const outcome = await judge(leafWith([several]), { subject })
    assert.equal(outcome.status === 'verified' && outcome.certificate?.subject, subject)
  }
})

const workflow = 'https://github.com/acme/shop/.github/workflows/release.yml@refs/tags/v1'
const globs: readonly [pattern: string, name: string, isMatch: boolean][] = [
  ['https://github.com/acme/**', workflow, true],
  ['https://github.com/*/shop/**', workflow, true],
  ['https://github.com/acme/*/.github/workflows/release.yml@refs/tags/*', workflow, true],
  ['**', workflow, true],
  ['https://github.com/acme/*', workflow, false],
  ['https://github.com/acme', workflow, false],
  ['github.com/acme/**', workflow, false],
  ['https://github.com/ac/**', workflow, false],
  ['https://github.com/acme/.*', workflow, false],
  ['https://github.com/acme/**', 'https://github.com.evil.example/acme/shop', false],
  ['https://github.com/acme/**', 'https://evil.example/https://github.com/acme/shop', false],
  ['*@pratique.test', 'builder@pratique.test', true],
  ['*@pratique.test', 'builder@pratique.test.evil.example', false],
  ['*@pratique.test', 'builder@evilpratique.test', false],
  ['builder@*', 'builder@pratique.test/x', false],
  ['builder@pratique?test', 'builder@pratique.test', false],
]
for (const [subject, name, isMatch] of globs) {
  test(`the pattern ${subject} ${isMatch ? 'fits' : 'does not fit'} ${name}`, async () => {
    const outcome = await judge(leafWith([san([6, name])]), { subject, match: 'glob' })
    assert.equal(outcome.status === 'verified', isMatch)
    // The same text as an exact name is that name and no pattern.
    assert.equal((await judge(leafWith([san([6, name])]), { subject })).status, 'untrusted')
  })
}

const issuer = 'https://idp.pratique.test'
const raw = fulcio(1, Buffer.from(issuer))
const asString = (text: string): Buffer => fulcio(8, tlv(0x0c, Buffer.from(text)))
const issuers: readonly [name: string, extensions: readonly Buffer[], isGood: boolean][] = [
  ['as raw bytes', [raw], true],
  ['as a DER string', [asString(issuer)], true],
  ['in both forms', [raw, asString(issuer)], true],
  ['in both forms that differ', [raw, asString('https://other.example')], false],
  [
    'in both forms that differ, the other way',
    [fulcio(1, Buffer.from('https://other.example')), asString(issuer)],
    false,
  ],
  ['as a DER string where raw bytes belong', [fulcio(1, tlv(0x0c, Buffer.from(issuer)))], false],
  ['as raw bytes where a DER string belongs', [fulcio(8, Buffer.from(issuer))], false],
  ['with more behind it', [asString(`${issuer}.evil.example`)], false],
  ['with a zero byte behind it', [fulcio(1, Buffer.from(`${issuer}\0`))], false],
  [
    'with a wrong length',
    [fulcio(8, Buffer.concat([tlv(0x0c, Buffer.from(issuer)), Buffer.from('x')]))],
    false,
  ],
  ['not at all', [], false],
  ['twice', [raw, raw], false],
]
for (const [name, extensions, isGood] of issuers) {
  test(`an issuer ${name} is ${isGood ? 'taken' : 'refused'}`, async () => {
    const outcome = await judge(leafWith([mail, ...extensions]), { issuer })
    assert.equal(outcome.status === 'verified', isGood, JSON.stringify(outcome))
    if (isGood) assert.equal(outcome.status === 'verified' && outcome.certificate?.issuer, issuer)
  })
}

const highBits = Buffer.from('builder@pratique.test').map((byte) => byte | 0x80)
const leaves: readonly [name: string, why: RegExp, make: () => Made][] = [
  ['no name', /name \(none\)/, () => leafWith([forCode])],
  [
    'its name only as the subject',
    /name \(none\)/,
    () => make({ name: 'builder@pratique.test', issuer: intermediate }),
  ],
  [
    'a name whose bytes have the highest bit set',
    /not printable/,
    () => leafWith([san([1, Buffer.from(highBits)])]),
  ],
  [
    'a name with a zero byte in it',
    /not printable/,
    () => leafWith([san([1, 'builder@pratique.test\0.evil.example'])]),
  ],
  ['a longer name', /no trusted signer/, () => leafWith([san([1, 'builder@pratique.test.evil.example'])])],
  ['two lists of names', /twice/, () => leafWith([mail, mail])],
  [
    'the purpose of a web server',
    /not for signing code/,
    () => leafWith([mail, extendedKeyUsage(serverAuthentication)]),
  ],
  ['a key for encryption', /not for signatures/, () => leafWith([mail, keyUsage(2)])],
  ['the rights of an authority', /authority/, () => leafWith([mail, ...authority])],
  [
    'a critical extension that nobody knows',
    /not understood/,
    () => leafWith([mail, extension('1.2.3.4', tlv(5, Buffer.alloc(0)), true)]),
  ],
  ['an end in the past', /valid/, () => leafWith([mail], { from: -5, to: -1 })],
  ['a start in the future', /valid/, () => leafWith([mail], { from: 1 })],
  ['no authority but itself', /no trusted authority/, () => make({ name: 'leaf', extensions: [mail] })],
  [
    'an authority of the same name and another key',
    /no trusted authority/,
    () => leafWith([mail], { issuer: make({ name: 'intermediate', extensions: authority }) }),
  ],
  [
    'an issuer that is a leaf itself',
    /no trusted authority/,
    () => leafWith([mail], { issuer: leafWith([mail]) }),
  ],
]
for (const [name, why, create] of leaves) {
  test(`a certificate with ${name} is refused`, async () => {
    const outcome = await judge(create())
    assert.notEqual(outcome.status, 'verified')
    assert.match((outcome as Rejection).why, why)
  })
}

test('a signature by another key than that of the certificate is refused', async () => {
  const outcome = await judge(leafWith([mail]), {}, { signedWith: leafWith([mail]) })
  assert.match((outcome as Rejection).why, /did not make the signature/)
})

test('without a permission, a signature that no log has seen is refused, and a certificate that none has', async () => {
  const leaf = leafWith([mail])
  assert.match(((await judge(leaf, { withoutLog: false })) as Rejection).why, /log has seen the signature/)
  assert.match(((await judge(leaf, { withoutSct: false })) as Rejection).why, /certificate transparency log/)
})

const onlyRoot = trustedRootFromCertificates({ authorities: [root.pem] })

test('an intermediate that is sent along is believed only as far as the root has issued it', async () => {
  const leaf = leafWith([mail])
  const stranger = make({ name: 'root', extensions: authority })
  const forged = make({ name: 'intermediate', issuer: stranger, extensions: authority })
  const ofForged = make({ name: 'leaf', issuer: forged, extensions: [mail] })
  const change = { trustedRoot: onlyRoot }
  assert.equal((await judge(leaf, change, { chain: [intermediate] })).status, 'verified')
  assert.equal((await judge(leaf, change, { chain: [intermediate, root] })).status, 'verified')
  assert.equal((await judge(leaf, change, { chain: [] })).status, 'untrusted')
  assert.equal((await judge(ofForged, change, { chain: [forged, stranger] })).status, 'untrusted')
  assert.equal((await judge(ofForged, { trustedRoot }, { chain: [forged, stranger] })).status, 'untrusted')
  const leafAsIssuer = make({ name: 'deeper', issuer: leaf, extensions: [mail] })
  assert.equal((await judge(leafAsIssuer, change, { chain: [leaf, intermediate] })).status, 'untrusted')
})

test('two authorities that have issued one another lead nowhere, and end', async () => {
  const first = make({ name: 'first', extensions: authority })
  const second = make({ name: 'second', issuer: first, extensions: authority })
  const crossed = make({ name: 'first', issuer: second, extensions: authority })
  const leaf = make({ name: 'leaf', issuer: second, extensions: [mail] })
  assert.equal((await judge(leaf, {}, { chain: [second, crossed, second, crossed] })).status, 'untrusted')
})

const limits: readonly [name: string, why: RegExp, wish: Partial<Wish>][] = [
  ['has ended', /no trusted authority|valid/, { from: -5, to: -1 }],
  [
    'may issue for web servers only',
    /not for signing code/,
    { extensions: [...authority, extendedKeyUsage(serverAuthentication)] },
  ],
  [
    'may issue for some names only',
    /2\.5\.29\.30/,
    { extensions: [...authority, extension('2.5.29.30', sequence())] },
  ],
]
for (const [name, why, wish] of limits) {
  test(`a certificate below an intermediate that ${name} is refused`, async () => {
    const limited = make({ name: 'limited', issuer: root, extensions: authority, ...wish })
    const leaf = make({ name: 'leaf', issuer: limited, extensions: [mail] })
    const outcome = await judge(leaf, {}, { chain: [limited] })
    assert.notEqual(outcome.status, 'verified')
    assert.match((outcome as Rejection).why, why)
  })
}

test('an authority that may have none below it has none', async () => {
  const short = make({ name: 'short', extensions: [basicConstraints(0)] })
  const below = make({ name: 'below', issuer: short, extensions: authority })
  const leaf = make({ name: 'leaf', issuer: below, extensions: [mail] })
  const change = {
    trustedRoot: trustedRootFromCertificates({ authorities: [short.pem] }),
  }
  assert.equal((await judge(leaf, change, { chain: [below] })).status, 'untrusted')
})
