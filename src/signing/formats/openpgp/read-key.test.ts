import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as library from 'openpgp'
import { makeKey, readOpenpgpTestdata } from '../../../../test/fixtures/openpgp-messages.ts'
import { seededRandom } from '../../../../test/fixtures/seeded-random.ts'
import { Failure } from '../../../kernel/failure.ts'
import { parseOpenpgpKey } from './index.ts'
import { algorithmOfOpenpgpKey } from './read-key.ts'

const key = await makeKey()
const armored = key.publicKey.armor()
const other = (await makeKey()).publicKey

function armorOf(packets: Uint8Array): string {
  return library.armor(library.enums.armor.publicKey, packets)
}

test('a public key is read, with the fingerprint that gpg shows', async () => {
  const upstream = await parseOpenpgpKey(readOpenpgpTestdata('containers-image/public-key.gpg').toString())
  assert.equal(upstream.getFingerprint(), '08cd26e446e2e95249b7a405e932f44b23e8dd43')
  assert.equal((await parseOpenpgpKey(armored)).getFingerprint(), key.publicKey.getFingerprint())
})

test('a key that has expired is read: whether it counts is a question of time', async () => {
  const expired = await makeKey({ keyExpirationTime: 3600 })
  assert.ok(await parseOpenpgpKey(expired.publicKey.armor()))
})

const unusable: readonly [name: string, text: () => Promise<string> | string, why: RegExp][] = [
  ['nothing', () => '', /no key in it.*gpg --armor --export/],
  ['text', () => 'a key', /no key in it.*gpg --armor --export/],
  ['a PEM key', () => '-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----', /no key in it/],
  ['a private key', () => key.privateKey.armor(), /private key, which nobody but its holder.*--export/],
  ['a private key that calls itself public', () => armorOf(key.privateKey.write()), /private key/],
  ['a signed message', () => readMessageArmor(), /no key in it/],
  ['two keys in one block', () => armorOf(Buffer.concat([key.publicKey.write(), other.write()])), /2 keys/],
  ['two blocks', () => `${armored}\n${other.armor()}`, /more than one block/],
  [
    'a revoked key',
    async () => (await library.revokeKey({ key: key.privateKey, format: 'object' })).publicKey.armor(),
    /[0-9A-F]{40} is revoked; name its successor/,
  ],
  [
    'a key that was replaced',
    async () => {
      const reason = { flag: library.enums.reasonForRevocation.keySuperseded }
      const options = { key: key.privateKey, reasonForRevocation: reason, format: 'object' } as const
      return (await library.revokeKey(options)).publicKey.armor()
    },
    /revoked/,
  ],
  [
    'a key of another algorithm',
    async () => (await makeKey({ type: 'curve448' })).publicKey.armor(),
    /\(ed448, x448\).*RSA of 2048 to 8192 bits, ECDSA .* are supported/,
  ],
  [
    'a short RSA key',
    async () => (await makeKey({ type: 'rsa', rsaBits: 1024 })).publicKey.armor(),
    /rsaEncryptSign 1024 bits.*RSA of 2048/,
  ],
  [
    'a short RSA key with a good subkey',
    async () => {
      const subkeys = [{ type: 'curve25519', sign: true } as const]
      return (await makeKey({ type: 'rsa', rsaBits: 1024, subkeys })).publicKey.armor()
    },
    /rsaEncryptSign 1024 bits, ed25519.*too weak/,
  ],
  [
    'a key that binds its name with SHA-1',
    async () => {
      const preferredHashAlgorithm = library.enums.hash.sha1
      const config = { preferredHashAlgorithm, nonDeterministicSignaturesViaNotation: false }
      return (await makeKey({ type: 'rsa', rsaBits: 2048, config })).publicKey.armor()
    },
    /SHA1.*self-signatures of SHA-256 or better/,
  ],
  ['a key that says nothing of itself', () => armorOf(firstPacket(key.publicKey.write())), /can be verified/],
  ['a key that is cut off', () => armorOf(key.publicKey.write().subarray(0, -40)), /no key in it/],
  ['too much', () => armored + '\n'.repeat(64 * 1024), /at most 65536.*export-minimal/],
]
for (const [name, text, why] of unusable) {
  test(`${name} is refused as a signer's key, with what to give instead`, async () => {
    await assert.rejects(parseOpenpgpKey(await text()), { code: 'SIGNER_INVALID', message: why })
  })
}

function readMessageArmor(): string {
  const message = readOpenpgpTestdata('gpg/signature-1')
  return library.armor(library.enums.armor.message, message)
}

/** The key alone: no name, and nothing that it signed about itself. The packet has a length of one octet. */
function firstPacket(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, 2 + bytes[1]!)
}

test('every algorithm has our name, or none at all', () => {
  for (const [algorithm, more, expected] of [
    ['rsaEncryptSign', { bits: 2048 }, 'rsa'],
    ['rsaSign', { bits: 8192 }, 'rsa'],
    ['ecdsa', { curve: 'nistP256' }, 'ecdsa-p256'],
    ['ecdsa', { curve: 'nistP384' }, 'ecdsa-p384'],
    ['ecdsa', { curve: 'nistP521' }, 'ecdsa-p521'],
    ['eddsaLegacy', { curve: 'ed25519Legacy' }, 'ed25519'],
    ['ed25519', {}, 'ed25519'],
  ] as const) {
    assert.equal(algorithmOfOpenpgpKey({ algorithm, ...more }), expected)
  }
  for (const [algorithm, more] of [
    ['rsaEncryptSign', { bits: 2047 }],
    ['rsaEncryptSign', { bits: 16_384 }],
    ['rsaEncrypt', { bits: 4096 }],
    ['dsa', { bits: 2048 }],
    ['elgamal', { bits: 2048 }],
    ['ecdsa', { curve: 'secp256k1' }],
    ['ecdsa', { curve: 'brainpoolP256r1' }],
    ['ecdsa', {}],
    ['ecdh', { curve: 'nistP256' }],
    ['eddsaLegacy', { curve: 'nistP256' }],
    ['ed448', {}],
  ] as const) {
    assert.throws(
      () => algorithmOfOpenpgpKey({ algorithm, ...more }),
      new RegExp(`algorithm is ${algorithm}`),
    )
  }
})

test('whatever is done to a key, it is read or refused', async () => {
  const random = seededRandom(7)
  const bytes = key.publicKey.write()
  for (let count = 0; count < 300; count++) {
    const changed = Buffer.from(bytes)
    for (let changes = 0; changes <= random() * 3; changes++) {
      changed[Math.floor(random() * changed.length)] = Math.floor(random() * 256)
    }
    const text = count % 2 === 0 ? armorOf(changed) : armorOf(changed.subarray(0, random() * changed.length))
    try {
      await parseOpenpgpKey(text)
    } catch (error) {
      assert.ok(error instanceof Failure, String(error))
      assert.equal(error.code, 'SIGNER_INVALID')
    }
  }
})
