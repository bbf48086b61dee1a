import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { codeSigning, makeAuthority, makeLeaf, makeStamper } from '../../../test/fixtures/code-authority.ts'
import {
  basicConstraints,
  extendedKeyUsage,
  extension,
  keyUsage,
  makeCertificate,
  sequence,
  tlv,
  type Made,
} from '../../../test/fixtures/make-certificate.ts'
import { seededRandom } from '../../../test/fixtures/seeded-random.ts'
import { CertificateError, readCertificate, verifyChain, type ChainQuestion } from './index.ts'

const now = Date.parse('2026-06-01')
const past = Date.parse('2026-03-01')
const root = makeAuthority()
const stranger = makeAuthority()
const issuing = makeAuthority({ name: 'issuing', issuer: root })
const leaf = makeLeaf(issuing)
const good = [keyUsage(0), extendedKeyUsage(codeSigning)]
const server = '1.3.6.1.5.5.7.3.1'
const someExtension = '1.3.6.1.4.1.99999.1'
const selfSigned = makeCertificate({ name: 'alone', notBefore: 1.7e12, notAfter: 1.9e12, extensions: good })
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
const edwards = generateKeyPairSync('ed25519')

async function verify(chain: readonly Made[], wish: Partial<ChainQuestion> = {}): Promise<string[]> {
  const [first, ...others] = await Promise.all(chain.map(({ der }) => readCertificate(der)))
  const found = await verifyChain({
    leaf: first!,
    intermediates: others,
    roots: [root.der],
    times: [now],
    purpose: 'codeSigning',
    ...wish,
  })
  return found.map(({ name }) => name)
}

const under = (wish: Parameters<typeof makeAuthority>[0]): readonly Made[] => {
  const authority = makeAuthority({ name: 'issuing', issuer: root, ...wish })
  return [makeLeaf(authority), authority, root]
}
const withLeaf = (wish: Parameters<typeof makeLeaf>[1]): readonly Made[] => [
  makeLeaf(issuing, wish),
  issuing,
  root,
]

function deep(length: number): readonly Made[] {
  const authorities = [root]
  while (authorities.length < length - 1) {
    authorities.push(makeAuthority({ name: `issuing ${authorities.length}`, issuer: authorities.at(-1)! }))
  }
  return [makeLeaf(authorities.at(-1)!), ...authorities.toReversed()]
}

const accepted: readonly (readonly [about: string, chain: readonly Made[], wish?: Partial<ChainQuestion>])[] =
  [
    ['an authority between the leaf and the root', [leaf, issuing, root]],
    ['the root left out, as the trust store has it', [leaf, issuing]],
    ['issuers in another order', [leaf, root, issuing]],
    ['a leaf that the root issued', [makeLeaf(root), root]],
    ['a leaf without extended key usage', withLeaf({ extensions: [keyUsage(0)] })],
    ['a leaf that signed itself and is in the trust store', [selfSigned], { roots: [selfSigned.der] }],
    [
      'an authority between that is itself in the trust store',
      [leaf, issuing, root],
      { roots: [issuing.der] },
    ],
    ['as many certificates as there may be', deep(8)],
    ['a path length that is just long enough', under({ extensions: [basicConstraints(0), keyUsage(5)] })],
    [
      'an extension that is not understood and not critical',
      withLeaf({ extensions: [...good, extension(someExtension, tlv(5, Buffer.of()))] }),
    ],
  ]

for (const [about, chain, wish] of accepted) {
  test(`accepts ${about}`, async () => {
    assert.equal(
      (await verify(chain, wish))[0],
      chain[0] === selfSigned ? 'CN=alone' : 'C=DE, ST=Hamburg, O=Harbour, CN=release',
    )
  })
}

const refused: readonly (readonly [
  about: string,
  chain: readonly Made[],
  why: RegExp,
  wish?: Partial<ChainQuestion>,
])[] = [
  [
    'a root that is not in the trust store',
    [leaf, issuing, root],
    /no trusted authority/,
    { roots: [stranger.der] },
  ],
  ['an empty trust store', [leaf, issuing, root], /no trusted authority/, { roots: [] }],
  ['a leaf that signed itself and is not in the trust store', [selfSigned], /no trusted authority/],
  ['a missing issuer', [leaf, root], /issued the certificate of .*release is missing/],
  [
    'an issuer of the same name and another key',
    [leaf, makeAuthority({ name: 'issuing', issuer: root }), root],
    /is missing/,
  ],
  [
    'a leaf that is trusted itself, whose issuer is not',
    [leaf, issuing, root],
    /no trusted authority/,
    { roots: [leaf.der] },
  ],
  ['a leaf that has expired', withLeaf({ notAfter: past }), /release was not valid/],
  ['a leaf that is not valid yet', withLeaf({ notBefore: Date.parse('2026-07-01') }), /was not valid/],
  [
    'one that was not valid at one of the times',
    [leaf, issuing, root],
    /was not valid/,
    { times: [now, Date.parse('2027-06-01')] },
  ],
  ['an intermediate that has expired', under({ notAfter: past }), /issuing was not valid/],
  ['a time that is none', [leaf, issuing, root], /Invalid time/, { times: [Number.NaN] }],
  ['more certificates than there may be', deep(9), /more than 8/],
  ['an authority as the leaf', [issuing, root], /is that of an authority/],
  ['a leaf without key usage', withLeaf({ extensions: [extendedKeyUsage(codeSigning)] }), /no key usage/],
  [
    'a leaf whose key usage is not critical',
    withLeaf({ extensions: [extension('2.5.29.15', tlv(3, Buffer.of(7, 0x80)))] }),
    /no key usage/,
  ],
  ['a leaf for key encipherment', withLeaf({ extensions: [keyUsage(2)] }), /not for signatures alone/],
  [
    'a leaf for signatures and issuing',
    withLeaf({ extensions: [extension('2.5.29.15', tlv(3, Buffer.of(2, 0x84)), true)] }),
    /not for signatures alone/,
  ],
  ['a leaf for servers', withLeaf({ extensions: [keyUsage(0), extendedKeyUsage(server)] }), /codeSigning/],
  [
    'a leaf for code and servers',
    withLeaf({ extensions: [keyUsage(0), extendedKeyUsage(codeSigning, server)] }),
    /codeSigning/,
  ],
  [
    'a leaf for something else than code',
    withLeaf({ extensions: [keyUsage(0), extendedKeyUsage(someExtension)] }),
    /codeSigning/,
  ],
  [
    'a leaf for anything',
    withLeaf({ extensions: [keyUsage(0), extendedKeyUsage(codeSigning, '2.5.29.37.0')] }),
    /codeSigning/,
  ],
  ['a leaf for timestamps', [makeStamper(root), root], /codeSigning/],
  [
    'a leaf for code where a timestamp is wanted',
    [leaf, issuing, root],
    /timeStamping/,
    { purpose: 'timeStamping' },
  ],
  [
    'a leaf without a purpose where a timestamp is wanted',
    withLeaf({ extensions: [keyUsage(0)] }),
    /not for timestamps/,
    { purpose: 'timeStamping' },
  ],
  [
    'a leaf with an unknown critical extension',
    withLeaf({ extensions: [...good, extension(someExtension, tlv(5, Buffer.of()), true)] }),
    /99999\.1, which is not understood/,
  ],
  [
    'an authority with name constraints',
    under({ extensions: [basicConstraints(), keyUsage(5), extension('2.5.29.30', sequence())] }),
    /2\.5\.29\.30/,
  ],
  ['RSA of 1024 bits', withLeaf({ keyPair: weak }), /RSA of 2048/],
  ['a leaf that was signed over SHA-1', withLeaf({ hash: 'sha1' }), /not signed with SHA-2/],
  ['an Ed25519 key', withLeaf({ keyPair: edwards }), /Ed25519/],
  [
    'an issuer without basic constraints',
    under({ extensions: [keyUsage(5)] }),
    /not that of an authority|is missing/,
  ],
  [
    'an issuer whose basic constraints are not critical',
    under({ extensions: [extension('2.5.29.19', sequence(tlv(1, Buffer.of(0xff)))), keyUsage(5)] }),
    /not that of an authority/,
  ],
  ['an issuer without key usage', under({ extensions: [basicConstraints()] }), /may not issue|is missing/],
  [
    'an issuer that may not issue',
    under({ extensions: [basicConstraints(), keyUsage(0)] }),
    // OpenSSL takes it for no authority at all.
    /may not issue|is missing|ambiguous/,
  ],
  [
    'an issuer for servers',
    under({ extensions: [basicConstraints(), keyUsage(5), extendedKeyUsage(server)] }),
    /may not issue certificates for codeSigning/,
  ],
  ['more authorities than a path length allows', tooLong(), /allows 0 authorities/],
]

function tooLong(): readonly Made[] {
  const top = makeAuthority({ name: 'top', issuer: root, extensions: [basicConstraints(0), keyUsage(5)] })
  const low = makeAuthority({ name: 'low', issuer: top })
  return [makeLeaf(low), low, top, root]
}

for (const [about, chain, why, wish] of refused) {
  test(`refuses ${about}`, async () => {
    await assert.rejects(verify(chain, wish), why)
  })
}

test('refuses a certificate with an extension twice, or something after it', async () => {
  const twice = makeLeaf(root, { extensions: [...good, keyUsage(0)] })
  for (const der of [
    twice.der,
    Buffer.concat([leaf.der, Buffer.of(0)]),
    Buffer.alloc(0),
    Buffer.alloc(40_000),
  ]) {
    await assert.rejects(readCertificate(der), CertificateError)
  }
})

test('no change of a byte in a leaf is accepted, or more than a refusal', async () => {
  const random = seededRandom(7)
  const issuer = await readCertificate(issuing.der)
  for (let count = 0; count < 500; count++) {
    const der = Buffer.from(leaf.der)
    const at = Math.floor(random() * der.length)
    der[at] = (der[at] ?? 0) ^ (1 << Math.floor(random() * 8))
    await assert.rejects(async () => {
      const changed = await readCertificate(der)
      await verifyChain({
        leaf: changed,
        intermediates: [issuer],
        roots: [root.der],
        times: [now],
        purpose: 'codeSigning',
      })
    })
  }
})
