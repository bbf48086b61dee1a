import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  basicConstraints,
  extendedKeyUsage,
  makeCertificate,
} from '../../../test/fixtures/make-certificate.ts'
import { readVectorFile } from '../../../test/fixtures/vector-source.ts'
import { parseTrustedRoot, trustedRootFromCertificates } from './index.ts'

const publicRoot = readFileSync(
  join(import.meta.dirname, '../formats/sigstore-bundle/testdata/public-trusted-root.json'),
  'utf8',
)

interface Entry {
  baseUrl?: unknown
  publicKey: { rawBytes: unknown; validFor?: unknown }
  certChain: { certificates: { rawBytes: string }[] }
  validFor?: unknown
}
type Root = Record<'tlogs' | 'ctlogs' | 'certificateAuthorities' | 'timestampAuthorities', Entry[]> & {
  mediaType: unknown
}

test('the public root of Sigstore is read, with the dates of everything in it', async () => {
  const root = await parseTrustedRoot(publicRoot)
  assert.deepEqual(
    [root.certificateAuthorities, root.timestampAuthorities, root.tlogs, root.ctlogs].map(
      ({ length }) => length,
    ),
    [2, 1, 2, 2],
  )
  assert.equal(root.tlogs[0]?.validFor.start.toISOString(), '2021-01-12T11:53:27.000Z')
  assert.equal(root.ctlogs[0]?.validFor.end.toISOString(), '2022-10-31T23:59:59.999Z')
})

test('the same text is read once', async () => {
  assert.equal(await parseTrustedRoot(publicRoot), await parseTrustedRoot(publicRoot))
})

const changes: readonly [name: string, why: RegExp, change: (root: Root) => unknown][] = [
  ['a log without a start', /tlogs\/0\/publicKey/, ({ tlogs }) => delete tlogs[0]!.publicKey.validFor],
  ['a log with an empty validity', /start/, ({ tlogs }) => (tlogs[0]!.publicKey.validFor = {})],
  ['a certificate log without a start', /ctlogs/, ({ ctlogs }) => delete ctlogs[0]!.publicKey.validFor],
  [
    'an authority without a start',
    /Authorities\/0/,
    (root) => delete root.certificateAuthorities[0]!.validFor,
  ],
  [
    'a timestamp authority without a start',
    /Authorities\/0/,
    (root) => delete root.timestampAuthorities[0]!.validFor,
  ],
  ['a start that is no time', /start/, ({ tlogs }) => (tlogs[0]!.publicKey.validFor = { start: 'ever' })],
  ['a key that is none', /trusted root/, ({ tlogs }) => (tlogs[0]!.publicKey.rawBytes = 'AAAA')],
  ['a key that is no base64', /rawBytes/, ({ tlogs }) => (tlogs[0]!.publicKey.rawBytes = '!')],
  ['an empty chain', /certificates/, (root) => (root.certificateAuthorities[0]!.certChain.certificates = [])],
  [
    'a certificate that is none',
    /cannot be read/,
    (root) => (root.certificateAuthorities[0]!.certChain.certificates[0]!.rawBytes = 'AAAA'),
  ],
  [
    'a chain without its root',
    /add its root/,
    (root) => root.certificateAuthorities[1]!.certChain.certificates.pop(),
  ],
  [
    'a timestamp authority among the authorities',
    /not fit/,
    (root) => root.certificateAuthorities.push(root.timestampAuthorities[0]!),
  ],
  [
    'an authority among those for timestamps',
    /not fit/,
    (root) => root.timestampAuthorities.push(root.certificateAuthorities[0]!),
  ],
  ['another media type', /mediaType/, (root) => (root.mediaType = 'application/json')],
  ['a thousand logs', /tlogs/, (root) => (root.tlogs = Array.from({ length: 1000 }, () => root.tlogs[0]!))],
]
for (const [name, why, change] of changes) {
  test(`a root with ${name} is refused`, async () => {
    const root = JSON.parse(publicRoot) as Root
    change(root)
    await assert.rejects(parseTrustedRoot(JSON.stringify(root)), { code: 'SIGNER_INVALID', message: why })
  })
}

test('text that is no root is refused, also the second time', async () => {
  const texts = [
    '',
    '{}',
    '[]',
    'nonsense',
    '['.repeat(10_000),
    publicRoot.slice(0, -5),
    ' '.repeat(2 * 1024 * 1024),
  ]
  for (const text of [...texts, ...texts, publicRoot.replace('{', '{"tlogs":[],')]) {
    await assert.rejects(parseTrustedRoot(text), { code: 'SIGNER_INVALID' })
  }
})

test('whatever the text, reading it ends with a root or a refusal', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(publicRoot.length - 1), fc.string({ maxLength: 3 }), async (at, text) => {
      const changed = publicRoot.slice(0, at) + text + publicRoot.slice(at + 1)
      await parseTrustedRoot(changed).catch((error: unknown) => {
        assert.equal((error as { code?: string }).code, 'SIGNER_INVALID', String(error))
      })
    }),
    { numRuns: 300 },
  )
})

test('a root is made of the files of a private stack: the same authorities, logs and keys as its own root has', async () => {
  const made = await parseTrustedRoot(
    trustedRootFromCertificates({
      authorities: [readVectorFile('trust/keyless-fulcio-root.pem')],
      timestampAuthorities: [readVectorFile('trust/tsa-chain.pem'), readVectorFile('trust/tsa-root.pem')],
      rekorKeys: [readVectorFile('trust/keyless-rekor.pub')],
      ctKeys: [readVectorFile('trust/keyless-ctfe.pub')],
    }),
  )
  const own = await parseTrustedRoot(readVectorFile('trust/keyless-trusted_root.json'))
  const ids = (root: typeof own): string[] =>
    [...root.tlogs, ...root.ctlogs].map(({ logID }) => logID.toString('hex'))
  assert.deepEqual(ids(made), ids(own))
  const chains = ({ certificateAuthorities, timestampAuthorities }: typeof own): Buffer[][] =>
    [...certificateAuthorities, ...timestampAuthorities].map(({ certChain }) =>
      certChain.map(({ root }) => root.toDER()),
    )
  assert.deepEqual(chains(made), chains(own))
  assert.equal(made.certificateAuthorities[0]?.validFor.start.toISOString(), '2026-11-23T11:07:47.000Z')
  assert.equal(made.certificateAuthorities[0]?.validFor.end.toISOString(), '2027-11-23T11:07:47.000Z')
  assert.equal(made.tlogs[0]?.validFor.start.toISOString(), '2026-11-23T11:07:47.000Z')
})

const dates = { notBefore: Date.parse('2026-01-01'), notAfter: Date.parse('2030-01-01') }
const root = makeCertificate({ name: 'root', extensions: [basicConstraints()], ...dates })
const middle = makeCertificate({ name: 'middle', issuer: root, extensions: [basicConstraints()], ...dates })
const low = makeCertificate({ name: 'low', issuer: middle, extensions: [basicConstraints()], ...dates })
const stamper = makeCertificate({
  name: 'tsa',
  issuer: low,
  extensions: [extendedKeyUsage('1.3.6.1.5.5.7.3.8')],
  ...dates,
})
const leaf = makeCertificate({ name: 'leaf', issuer: low, ...dates })
const impostor = makeCertificate({
  name: 'middle',
  issuer: makeCertificate({ name: 'root', extensions: [basicConstraints()], ...dates }),
  extensions: [basicConstraints()],
  ...dates,
})

test('certificates are put in order, whatever the order and the files they came in', async () => {
  for (const authorities of [
    [`${low.pem}${root.pem}`, middle.pem],
    [root.pem, middle.pem, low.pem],
  ]) {
    const made = await parseTrustedRoot(
      trustedRootFromCertificates({
        authorities,
        timestampAuthorities: [root.pem, stamper.pem, low.pem, middle.pem],
      }),
    )
    assert.deepEqual(
      made.certificateAuthorities.map(({ certChain }) => certChain.length),
      [3],
    )
    const chain = made.timestampAuthorities[0]?.certChain.map((certificate) => certificate.root.toDER())
    assert.deepEqual(chain, [stamper.der, low.der, middle.der, root.der])
  }
})

const secret = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString()
const small = generateKeyPairSync('rsa', { modulusLength: 1024 })
  .publicKey.export({ type: 'spki', format: 'pem' })
  .toString()
const wrong: readonly [
  name: string,
  why: RegExp,
  parts: Parameters<typeof trustedRootFromCertificates>[0],
][] = [
  ['nothing', /no root/, { authorities: [] }],
  ['an intermediate alone', /no root/, { authorities: [middle.pem] }],
  ['an intermediate of another root', /no root above/, { authorities: [root.pem, low.pem] }],
  [
    'an intermediate that another root of the same name has issued',
    /no root above/,
    { authorities: [root.pem, impostor.pem] },
  ],
  ['text without a certificate', /CERTIFICATE/, { authorities: ['nonsense'] }],
  ['half a certificate', /CERTIFICATE/, { authorities: [root.pem.slice(0, 200)] }],
  ['a private key', /PRIVATE KEY/, { authorities: [`${root.pem}${secret}`] }],
  ['a log by its private key', /PRIVATE KEY/, { authorities: [root.pem], rekorKeys: [secret] }],
  ['a log by a weak key', /1024/, { authorities: [root.pem], rekorKeys: [small] }],
  ['a certificate in place of a log key', /CERTIFICATE/, { authorities: [root.pem], ctKeys: [root.pem] }],
  [
    'a leaf among the authorities',
    /no authority/,
    { authorities: [root.pem, middle.pem, low.pem, leaf.pem] },
  ],
  [
    'a timestamp authority by its root alone',
    /signs them/,
    { authorities: [root.pem], timestampAuthorities: [root.pem] },
  ],
  [
    'a timestamp authority without its root',
    /no root above/,
    { authorities: [root.pem], timestampAuthorities: [stamper.pem] },
  ],
]
for (const [name, why, parts] of wrong) {
  test(`no root is made of ${name}`, () => {
    assert.throws(() => trustedRootFromCertificates(parts), { code: 'SIGNER_INVALID', message: why })
  })
}
