import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as library from 'openpgp'
import {
  judgeMessage,
  makeKey,
  secretOf,
  signBefore,
  signerOf,
  signMessage,
  simplePayload,
  times,
  type KeyPair,
} from '../../../../test/fixtures/openpgp-messages.ts'
import { digestOf } from '../../../kernel/digest.ts'
import type { Claim, Rejection, Signer } from '../../types.ts'
import { readPackets } from './read-packets.ts'

const { enums } = library
const digest = digestOf('an image')
const content = simplePayload(digest)
const release = await makeKey()
const stranger = await makeKey()
const rsa = await makeKey({ type: 'rsa', rsaBits: 2048 })
const good = await signMessage(content, release)

function judge(
  bytes: Buffer,
  signers: readonly Signer[] = [signerOf(release)],
  now = times.asked,
): Promise<Claim | Rejection> {
  return judgeMessage(bytes, digest, signers, now.getTime())
}

/** The signed message with other content in it. */
function withContent(text: string): Buffer {
  const parts = readPackets(good).map(({ tag, body }) => {
    const inside = tag === 11 ? Buffer.concat([body.subarray(0, 6), Buffer.from(text)]) : body
    return Buffer.concat([Buffer.of(0xc0 | tag, 255, 0, 0, inside.length >> 8, inside.length & 0xff), inside])
  })
  return Buffer.concat(parts)
}

test('signatures of every kind of key that is understood are verified', async () => {
  const kinds = [
    ['rsa', { type: 'rsa', rsaBits: 2048 }],
    ['ecdsa-p256', { type: 'ecc', curve: 'nistP256' }],
    ['ecdsa-p384', { type: 'ecc', curve: 'nistP384' }],
    ['ecdsa-p521', { type: 'ecc', curve: 'nistP521' }],
    ['ed25519', { type: 'ecc', curve: 'ed25519Legacy' }],
    ['ed25519', { type: 'curve25519' }],
  ] as const
  for (const [algorithm, options] of kinds) {
    const key = await makeKey(options)
    const outcome = await judge(await signMessage(simplePayload(digest), key), [signerOf(key)])
    assert.equal(outcome.status, 'verified', JSON.stringify(outcome))
    assert.equal(outcome.keyAlgorithm, algorithm)
  }
})

const hour = 3600

async function withSubkey(more: object = {}): Promise<{ key: KeyPair; subkey: library.Subkey }> {
  const key = await makeKey({ subkeys: [{ sign: true, ...more }] })
  return { key, subkey: key.privateKey.subkeys[0]! }
}

function secretSubkeyOf({ keyPacket }: library.Subkey): library.SecretSubkeyPacket {
  return keyPacket as library.SecretSubkeyPacket
}

test('a signature of a subkey counts for the signer, with the algorithm of the subkey', async () => {
  const key = await makeKey({
    type: 'rsa',
    rsaBits: 2048,
    subkeys: [{ type: 'ecc', curve: 'nistP256', sign: true }],
  })
  const message = await signBefore(content, secretSubkeyOf(key.privateKey.subkeys[0]!))
  const outcome = await judge(message, [signerOf(key)])
  assert.equal(outcome.status, 'verified', JSON.stringify(outcome))
  assert.equal(outcome.keyAlgorithm, 'ecdsa-p256')
})

async function hashedWith(hashAlgorithm: number): Promise<Claim | Rejection> {
  return judge(await signBefore(content, secretOf(rsa), { hashAlgorithm }), [signerOf(rsa)])
}

const keys: readonly [name: string, why: RegExp, judge: () => Promise<Claim | Rejection>][] = [
  ['no signer', /no trusted key/, () => judge(good, [])],
  [
    'signers of other kinds',
    /no trusted key/,
    () => judge(good, [{ name: 'key', state: 'active', identity: { kind: 'key', publicKey: 'x' } }]),
  ],
  ['another key', /no trusted key/, () => judge(good, [signerOf(stranger)])],
  [
    'other content under the signature',
    /digest did not match|verification failed/,
    () => judge(withContent(`${content} `)),
  ],
  [
    'a key that had ended when it signed',
    /expired/,
    async () => {
      const key = await makeKey({ keyExpirationTime: hour })
      return judge(await signBefore(content, secretOf(key)), [signerOf(key)])
    },
  ],
  [
    'a key that has ended since',
    /expired/,
    async () => {
      const key = await makeKey({ keyExpirationTime: 60 * 24 * hour })
      return judge(await signMessage(content, key), [signerOf(key)])
    },
  ],
  [
    'a signature from before its key',
    /newer than the signature/,
    async () =>
      judge(await signBefore(content, secretOf(release), { date: new Date('2025-01-01T00:00:00Z') })),
  ],
  [
    'a signature of the future',
    /future/,
    () => judge(good, undefined, new Date(times.signed.getTime() - 1000)),
  ],
  [
    'a key that is revoked',
    /revoked/,
    async () => {
      const { publicKey } = await library.revokeKey({ key: release.privateKey, format: 'object' })
      return judge(good, [signerOf(publicKey.armor())])
    },
  ],
  [
    'a subkey that was revoked afterwards',
    /revoked/,
    async () => {
      const { key, subkey } = await withSubkey()
      const reason = { flag: enums.reasonForRevocation.keyRetired }
      const retired = await subkey.revoke(secretOf(key), reason, new Date('2026-06-01T00:00:00Z'))
      key.publicKey.subkeys[0]!.revocationSignatures = retired.revocationSignatures
      return judge(await signBefore(content, secretSubkeyOf(subkey)), [signerOf(key.publicKey.armor())])
    },
  ],
  [
    'a subkey with a revocation that nobody can check',
    /revoked/,
    async () => {
      const [{ key, subkey }, another] = [await withSubkey(), await withSubkey()]
      const { revocationSignatures } = await another.subkey.revoke(secretOf(another.key))
      key.publicKey.subkeys[0]!.revocationSignatures = revocationSignatures
      return judge(await signBefore(content, secretSubkeyOf(subkey)), [signerOf(key.publicKey.armor())])
    },
  ],
  [
    'a subkey that had ended when it signed',
    /expired/,
    async () => {
      const { key, subkey } = await withSubkey({ keyExpirationTime: hour })
      return judge(await signBefore(content, secretSubkeyOf(subkey)), [signerOf(key)])
    },
  ],
  [
    'a subkey that is not for signing',
    /signing key/,
    async () => {
      const key = await makeKey({ type: 'rsa', rsaBits: 2048, subkeys: [{}] })
      return judge(await signBefore(content, secretSubkeyOf(key.privateKey.subkeys[0]!)), [signerOf(key)])
    },
  ],
  ['a hash of MD5', /MD5/, () => hashedWith(enums.hash.md5)],
  ['a hash of SHA-1', /SHA1/, () => hashedWith(enums.hash.sha1)],
  ['a hash of RIPEMD-160', /RIPEMD/, () => hashedWith(enums.hash.ripemd)],
  [
    'an RSA key of 1024 bits',
    /1024 bits/,
    async () => {
      const weak = await makeKey({ type: 'rsa', rsaBits: 1024 })
      return judge(await signBefore(content, secretOf(weak)), [signerOf(weak)])
    },
  ],
  [
    'a key on Curve448',
    /ed448/,
    async () => {
      const other = await makeKey({ type: 'curve448' })
      return judge(await signBefore(content, secretOf(other), { hashAlgorithm: enums.hash.sha512 }), [
        signerOf(other),
      ])
    },
  ],
  ['a key that cannot be read', /no key in it/, () => judge(good, [signerOf('rubbish')])],
]
for (const [name, why, run] of keys) {
  test(`${name} makes a signature untrusted`, async () => {
    const outcome = await run()
    assert.equal(outcome.status, 'untrusted', JSON.stringify(outcome))
    assert.match(outcome.why, why)
  })
}

test('a signature of a type that is not of binary documents is malformed', async () => {
  const { text, standalone, timestamp } = enums.signature
  for (const signatureType of [text, standalone, timestamp]) {
    const outcome = await judge(await signBefore(content, secretOf(release), { signatureType }))
    assert.equal(outcome.status, 'malformed', JSON.stringify(outcome))
    assert.match(outcome.why, /type that does not sign a document/)
  }
})

test('of two signers that share a subkey, the one that counts for less is named', async () => {
  const signers = [signerOf(release, 'good'), signerOf(release, 'lost', { state: 'compromised' })]
  for (const order of [signers, signers.toReversed()]) {
    const outcome = await judge(good, order)
    assert.equal((outcome as Claim).signer, 'lost')
  }
})

test('a key that cannot be used does not stand in the way of another', async () => {
  const outcome = await judge(good, [signerOf('rubbish', 'broken'), signerOf(release)])
  assert.equal(outcome.status, 'verified')
})
