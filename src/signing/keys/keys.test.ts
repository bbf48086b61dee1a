import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { ed25519ph } from '@noble/curves/ed25519.js'
import { openPrivateKey, sealPrivateKey } from './open-private-key.ts'
import { algorithmOfKey, isSignedBy, parseVerificationKey } from './verification-key.ts'

const testdata = (name: string): string => readFileSync(join(import.meta.dirname, 'testdata', name), 'utf8')
const message = Buffer.from('what is signed')
const refused = (why: RegExp) => (error: Error & { code?: string }) => {
  assert.equal(error.code, 'KEY_INVALID')
  assert.match(error.message, why)
  return true
}

for (const tool of ['cosign-3.1.1', 'skopeo-1.18']) {
  test(`the encrypted key of ${tool} opens with its passphrase and with no other`, async () => {
    const key = await openPrivateKey(testdata(`${tool}.key`), 'test-vectors')
    const fits = parseVerificationKey(testdata(`${tool}.pub`))
    assert.ok(isSignedBy(fits, message, sign('sha256', message, key)))
    await assert.rejects(openPrivateKey(testdata(`${tool}.key`), 'wrong'), refused(/does not fit/))
    await assert.rejects(openPrivateKey(testdata(`${tool}.key`)), refused(/PRATIQUE_KEY_PASSWORD/))
  })
}

test('a key that was sealed opens again, and is never the same file twice', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const sealed = await sealPrivateKey(privateKey, 'secret')
  assert.notEqual(sealed, await sealPrivateKey(privateKey, 'secret'))
  assert.ok(createPublicKey(await openPrivateKey(sealed, 'secret')).equals(publicKey))
})

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
for (const [name, pem, passphrase] of [
  ['PKCS#8', pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), undefined],
  ['SEC1', pair.privateKey.export({ type: 'sec1', format: 'pem' }), undefined],
  ['PKCS#1', rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }), undefined],
  [
    'encrypted PKCS#8',
    pair.privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }),
    'x',
  ],
] as const) {
  test(`a private key in ${name} opens`, async () => {
    assert.equal((await openPrivateKey(pem as string, passphrase)).type, 'private')
  })
}

test('what is no private key is refused with what is wrong', async () => {
  const publicPem = pair.publicKey.export({ type: 'spki', format: 'pem' }) as string
  await assert.rejects(openPrivateKey(publicPem), refused(/is a public key/))
  await assert.rejects(openPrivateKey('hello'), refused(/no PEM block/))
  await assert.rejects(openPrivateKey('x'.repeat(70_000)), refused(/more than/))
  const greedy = { kdf: { name: 'scrypt', params: { N: 2 ** 20, r: 32, p: 1 }, salt: 'AAAA' } }
  const body = Buffer.from(
    JSON.stringify({ ...greedy, cipher: { name: 'nacl/secretbox', nonce: 'AAAA' }, ciphertext: 'AAAA' }),
  ).toString('base64')
  const pem = `-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n${body}\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----`
  await assert.rejects(openPrivateKey(pem, 'x'), refused(/more memory/))
})

test('whatever stands in an encrypted key, it does not open by accident', async () => {
  const [before = '', after = ''] = testdata('cosign-3.1.1.key').split(/(?<=KEY-----)\n/, 2)
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      const body = Buffer.from(bytes).toString('base64')
      await assert.rejects(openPrivateKey(`${before}\n${body}\n${after.slice(-50)}`, 'test-vectors'))
    }),
    { numRuns: 100 },
  )
})

for (const [curve, algorithm, hashes] of [
  ['P-256', 'ecdsa-p256', ['sha256']],
  ['P-384', 'ecdsa-p384', ['sha256', 'sha384']],
  ['P-521', 'ecdsa-p521', ['sha256', 'sha512']],
] as const) {
  test(`${curve} signs with ${hashes.join(' and ')}, and with no other hash`, () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve })
    const key = { key: publicKey, algorithm: algorithmOfKey(publicKey) }
    assert.equal(key.algorithm, algorithm)
    for (const hash of ['sha1', 'sha256', 'sha384', 'sha512']) {
      const isRight = (hashes as readonly string[]).includes(hash)
      assert.equal(isSignedBy(key, message, sign(hash, message, privateKey)), isRight, hash)
    }
    const raw = sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    assert.equal(isSignedBy(key, message, raw), false, 'r and s side by side')
    const zeros = Buffer.from('3006020100020100', 'hex')
    assert.equal(isSignedBy(key, message, zeros), false, 'r and s of zero')
  })
}

test('Ed25519 signs plainly and prehashed, and nothing else passes', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const key = { key: publicKey, algorithm: algorithmOfKey(publicKey) }
  const seed = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url')
  assert.ok(isSignedBy(key, message, sign(null, message, privateKey)))
  assert.ok(isSignedBy(key, message, ed25519ph.sign(message, seed)))
  assert.equal(isSignedBy(key, Buffer.from('other'), ed25519ph.sign(message, seed)), false)
  assert.equal(isSignedBy(key, message, Buffer.alloc(64)), false)
})

test('keys that are too weak or of another kind are refused', () => {
  for (const { publicKey } of [
    generateKeyPairSync('rsa', { modulusLength: 1024 }),
    generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
    generateKeyPairSync('x25519'),
  ]) {
    const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
    assert.throws(() => parseVerificationKey(pem), refused(/are supported/))
  }
  assert.throws(
    () => parseVerificationKey(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string),
    refused(/no "BEGIN PUBLIC KEY" block/),
  )
})
