import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateRawSync, deflateSync } from 'node:zlib'
import * as library from 'openpgp'
import {
  judgeMessage,
  makeKey,
  signerOf,
  signMessage,
  simplePayload,
  times,
  type KeyPair,
} from '../../../../test/fixtures/openpgp-messages.ts'
import { digestOf } from '../../../kernel/digest.ts'
import { mediaTypes } from '../../../kernel/media-types.ts'
import { verifyImage } from '../../verify-image.ts'
import type { Attachment, Claim, Rejection, Signer } from '../../types.ts'
import { openpgp } from './index.ts'
import { readPackets } from './read-packets.ts'

const digest = digestOf('an image')
const release = await makeKey()
const good = await signMessage(simplePayload(digest), release)
const { enums } = library

function judge(
  bytes: Buffer,
  signers: readonly Signer[] = [signerOf(release)],
  now = times.asked,
): Promise<Claim | Rejection> {
  return judgeMessage(bytes, digest, signers, now.getTime())
}

/** A packet with a header of the new format and a length of four octets. */
function packet(tag: number, body: Uint8Array): Buffer {
  const header = Buffer.from([0xc0 | tag, 255, 0, 0, 0, 0])
  header.writeUInt32BE(body.length, 2)
  return Buffer.concat([header, body])
}

/** The same in the old format, of which the last packet may go on to the end. */
function lastPacket(tag: number, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(0x80 | (tag << 2) | 3), body])
}

/** A literal in parts of 512 octets (RFC 9580, section 4.2.1.4). */
function inParts(tag: number, body: Buffer): Buffer {
  const parts = [Buffer.of(0xc0 | tag)]
  let at = 0
  for (; body.length - at >= 512; at += 512) parts.push(Buffer.of(0xe9), body.subarray(at, at + 512))
  const rest = body.subarray(at)
  return Buffer.concat([...parts, Buffer.of(255, 0, 0, rest.length >> 8, rest.length & 0xff), rest])
}

function compressed(algorithm: number, body: Uint8Array): Buffer {
  return lastPacket(8, Buffer.concat([Buffer.of(algorithm), body]))
}

const parts = readPackets(good)
const tagged = (tag: number): Buffer => parts.find((part) => part.tag === tag)!.body
const literal = packet(11, tagged(11))
const signature = packet(2, tagged(2))
const onePass = packet(4, tagged(4))

/** A signature in front of what it signs, made field by field: what the library would not make on request. */
async function oldStyle(
  content: string,
  { privateKey }: KeyPair,
  { hashAlgorithm = enums.hash.sha256, signatureType = enums.signature.binary } = {},
): Promise<Buffer> {
  const data = new library.LiteralDataPacket()
  const made = new library.SignaturePacket()
  const untyped = { data, made } as unknown as {
    data: { setBytes(bytes: Uint8Array, format: number): void }
    made: { sign(key: unknown, data: unknown, date: Date): Promise<void> }
  }
  untyped.data.setBytes(Buffer.from(content), enums.literal.binary)
  const publicKeyAlgorithm = enums.write(enums.publicKey, privateKey.getAlgorithmInfo().algorithm)
  Object.assign(made, { signatureType, hashAlgorithm, publicKeyAlgorithm })
  await untyped.made.sign(privateKey.keyPacket, data, times.signed)
  const list = new library.PacketList<library.AnyPacket>()
  list.push(made, data)
  return Buffer.from(list.write() as Uint8Array)
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
    assert.equal((outcome as Claim).keyAlgorithm, algorithm)
  }
})

test('a signature counts in every form in which one message can be written', async () => {
  const padded = await signMessage(`${' '.repeat(2000)}${simplePayload(digest)}`, release)
  const forms = [
    good,
    Buffer.concat([onePass, literal, signature]),
    compressed(0, good),
    compressed(1, deflateRawSync(good)),
    compressed(2, deflateSync(good)),
    packet(8, Buffer.concat([Buffer.of(1), deflateRawSync(good)])),
    await oldStyle(simplePayload(digest), release),
    Buffer.concat(readPackets(padded).map(({ tag, body }) => (tag === 11 ? inParts(tag, body) : packet(tag, body)))),
  ]
  for (const [index, form] of forms.entries()) {
    const outcome = await judge(form)
    assert.equal(outcome.status, 'verified', `form ${index}: ${JSON.stringify(outcome)}`)
  }
})

test('the time of a signature is what it says in its content, or else in itself', async () => {
  for (const [optional, claimedAt] of [
    [{ timestamp: 1_760_000_000 }, 1_760_000_000_000],
    [{}, times.signed.getTime()],
  ] as const) {
    const outcome = await judge(await signMessage(simplePayload(digest, { optional }), release))
    assert.equal(outcome.status, 'verified')
    assert.equal((outcome as Claim).claimedAt, claimedAt)
    assert.equal((outcome as Claim).provenAt, undefined)
  }
})

const stranger = await makeKey()
const content = simplePayload(digest)
const cleartext = await library.sign({
  message: await library.createCleartextMessage({ text: content }),
  signingKeys: release.privateKey,
  date: times.signed,
})
const detached = (await library.sign({
  message: await library.createMessage({ binary: Buffer.from(content) }),
  signingKeys: release.privateKey,
  date: times.signed,
  detached: true,
  format: 'binary',
})) as Uint8Array
const encrypted = await library.encrypt({
  message: await library.createMessage({ binary: Buffer.from(content) }),
  signingKeys: release.privateKey,
  passwords: 'known',
  date: times.signed,
  format: 'binary',
})
const armored = await library.sign({
  message: await library.createMessage({ binary: Buffer.from(content) }),
  signingKeys: release.privateKey,
  date: times.signed,
})
const twoSignatures = await signMessage(content, [release, stranger])
const evil = packet(11, Buffer.concat([Buffer.from('b\0\0\0\0\0'), Buffer.from(content)]))
const bomb = Buffer.alloc(50 * 1024 * 1024)

const messages: readonly [name: string, bytes: Buffer, why: RegExp][] = [
  ['nothing', Buffer.alloc(0), /text/],
  ['armor around a signed message', Buffer.from(armored), /text/],
  ['a cleartext signature', Buffer.from(cleartext), /text/],
  ['content without a signature', literal, /not signed/],
  ['a signature without content', Buffer.from(detached), /detached/],
  ['an encrypted message', Buffer.from(encrypted), /encrypted/],
  ['two signatures', twoSignatures, /more than one signature/],
  ['one signature twice', Buffer.concat([signature, good]), /more than one signature/],
  ['other content after the signed one', Buffer.concat([good, evil]), /no signed message/],
  ['other content before the signed one', Buffer.concat([evil, good]), /no signed message/],
  ['other content inside', Buffer.concat([onePass, literal, evil, signature]), /no signed message/],
  ['content after its signature, with the one-pass part', Buffer.concat([onePass, signature, literal]), /no signed/],
  ['a signature after content, without it', Buffer.concat([literal, signature]), /no signed message/],
  ['a marker in front', Buffer.concat([packet(10, Buffer.from('PGP')), good]), /no signed message/],
  ['padding behind', Buffer.concat([good, packet(21, Buffer.from('pad'))]), /no signed message/],
  ['a packet of private use behind', Buffer.concat([good, packet(60, Buffer.from('x'))]), /no signed message/],
  ['a key', Buffer.from(release.publicKey.write()), /no content/],
  ['compression inside compression', compressed(1, deflateRawSync(compressed(1, deflateRawSync(good)))), /no content/],
  ['compression inside the signature', Buffer.concat([onePass, packet(8, Buffer.of(0, ...literal)), signature]), /no content/],
  ['a bomb in ZIP', compressed(1, deflateRawSync(bomb)), /uncompressed/],
  ['a bomb in ZLIB', compressed(2, deflateSync(bomb)), /uncompressed/],
  ['BZip2', compressed(3, Buffer.from('BZh9')), /ZIP or ZLIB/],
  ['an unknown compression', compressed(9, good), /ZIP or ZLIB/],
  ['empty compression', lastPacket(8, Buffer.alloc(0)), /ZIP or ZLIB/],
  ['compressed rubbish', compressed(1, Buffer.from('rubbish')), /uncompressed/],
  ['a length behind the end', Buffer.of(0xcb, 255, 255, 255, 255, 255, 1), /ends inside a packet/],
  ['a length that is cut off', Buffer.of(0xcb, 255, 0), /ends inside a packet/],
  ['parts without an end', Buffer.concat([Buffer.of(0xcb), Buffer.alloc(9000, 0xe0)]), /parts/],
  ['many packets', Buffer.alloc(9000, Buffer.of(0xcb, 0)), /more than 8 packets/],
  ['a message that is too large', packet(11, Buffer.alloc(70_000)), /bytes/],
  ['bytes between packets', Buffer.concat([onePass, Buffer.of(0), literal]), /not made of OpenPGP packets/],
]
for (const [name, bytes, why] of messages) {
  test(`${name} is no signed message`, async () => {
    const outcome = await judge(bytes)
    assert.equal(outcome.status, 'malformed', JSON.stringify(outcome))
    assert.match((outcome as Rejection).why, why)
  })
}

const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`
const payloads: readonly [name: string, content: string | Buffer, why: RegExp][] = [
  ['of another image', simplePayload(digestOf('other')), /another image/],
  ['with the digest in capitals', simplePayload(digest).replace(/sha256:[0-9a-f]+/, (text) => text.toUpperCase()), /another image/],
  ['of the type of cosign', simplePayload(digest, {}, { type: 'cosign container image signature' }), /type is "cosign/],
  ['with a critical member that is not understood', simplePayload(digest, {}, { expires: 'never' }), /critical\/expires/],
  ['with a critical member less', simplePayload(digest, {}, { identity: undefined }), /critical/],
  ['with a member more in the identity', simplePayload(digest, {}, { identity: { 'docker-reference': 'a', scope: 'b' } }), /identity\/scope/],
  ['with a member more beside the image', simplePayload(digest, {}, { image: { 'docker-manifest-digest': digest, x: 1 } }), /image\/x/],
  ['with an empty name', simplePayload(digest, {}, { identity: { 'docker-reference': '' } }), /reference/],
  ['with a third member', simplePayload(digest, { extra: 1 }), /extra/],
  ['without what is optional', simplePayload(digest, { optional: undefined }), /optional/],
  ['with null for what is optional', simplePayload(digest, { optional: null }), /optional/],
  ['with a time that is text', simplePayload(digest, { optional: { timestamp: '1760000000' } }), /timestamp/],
  ['with a time that is no date', simplePayload(digest, { optional: { timestamp: 1e300 } }), /timestamp/],
  ['with a creator that is no text', simplePayload(digest, { optional: { creator: 1 } }), /creator/],
  ['with the digest twice', simplePayload(digest).replace('"image":', '"image":{},"image":'), /twice/],
  ['with the digest twice, once escaped', simplePayload(digest).replace('"image":', '"im\\u0061ge":{},"image":'), /twice/],
  ['with the critical part twice', simplePayload(digest).replace('"critical":', '"critical":{},"critical":'), /twice/],
  ['that is cut off', simplePayload(digest).slice(0, -1), /not JSON/],
  ['with a byte order mark', `\uFEFF${simplePayload(digest)}`, /not JSON/],
  ['that is no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), /UTF-8/],
  ['that is deep', simplePayload(digest).replace('"skopeo"', deep), /nested/],
  ['that is empty', '', /not JSON/],
  ['that is a list', '[]', /object/],
]
for (const [name, text, why] of payloads) {
  test(`signed content ${name} says nothing`, async () => {
    const outcome = await judge(await signMessage(text, release))
    assert.equal(outcome.status, 'malformed', JSON.stringify(outcome))
    assert.match((outcome as Rejection).why, why)
  })
}

test('content is read only when somebody who counts has signed it', async () => {
  for (const text of [simplePayload(digestOf('other')), '{', simplePayload(digest)]) {
    const outcome = await judge(await signMessage(text, stranger))
    assert.equal(outcome.status, 'untrusted')
    assert.match((outcome as Rejection).why, /no trusted key made this signature; it says to be made by [0-9a-f]{16}/)
    assert.equal((outcome as Rejection).reference, undefined)
  }
})

test('a good signature for another image tells the name that it gives', async () => {
  const outcome = await judge(await signMessage(simplePayload(digestOf('other')), release))
  assert.equal((outcome as Rejection).reference, 'registry.example/app:1')
})

async function withSubkey(options: object = {}): Promise<KeyPair> {
  return makeKey({ subkeys: [{ sign: true, date: times.made, ...options }] })
}

/** The key with what it says of itself said anew: here, that it ends. */
async function ending({ privateKey }: KeyPair, seconds: number): Promise<KeyPair> {
  const options = { userIDs: [{ name: 'Release' }], keyExpirationTime: seconds, date: times.made }
  return library.reformatKey({ privateKey, ...options, format: 'object' })
}

const hour = 3600
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
    () => judge(Buffer.concat([onePass, packet(11, Buffer.concat([tagged(11), Buffer.from(' ')])), signature])),
  ],
  ['a key that had ended when it signed', /expired/, async () => judge(good, [signerOf(await ending(release, hour))])],
  [
    'a key that has ended since',
    /expired/,
    async () => judge(good, [signerOf(await ending(release, 60 * 24 * hour))]),
  ],
  ['a signature from before its key', /newer/, async () => judge(good, [signerOf(await resigned(times.asked))])],
  [
    'a signature of the future',
    /future/,
    async () => judge(good, undefined, new Date(times.signed.getTime() - 1000)),
  ],
  [
    'a key that is revoked',
    /revoked/,
    async () => judge(good, [signerOf((await revoked(release)).publicKey.armor())]),
  ],
  [
    'a subkey that is revoked later',
    /revoked/,
    async () => {
      const key = await withSubkey()
      const message = await signMessage(content, key)
      const reason = { flag: enums.reasonForRevocation.keyRetired }
      const date = new Date('2026-06-01T00:00:00Z')
      const secret = key.privateKey.keyPacket as library.SecretKeyPacket
      const retired = await key.privateKey.subkeys[0]!.revoke(secret, reason, date)
      key.publicKey.subkeys[0]!.revocationSignatures = retired.revocationSignatures
      return judge(message, [signerOf(key.publicKey.armor())])
    },
  ],
  [
    'a subkey that had ended when it signed',
    /expired/,
    async () => {
      const key = await withSubkey()
      const message = await signMessage(content, key)
      return judge(message, [signerOf(await endingSubkey(key))])
    },
  ],
  [
    'a hash of SHA-1',
    /SHA1/,
    async () => judge(await oldStyle(content, rsa, { hashAlgorithm: enums.hash.sha1 }), [signerOf(rsa)]),
  ],
  [
    'a hash of RIPEMD-160',
    /RIPEMD/,
    async () => judge(await oldStyle(content, rsa, { hashAlgorithm: enums.hash.ripemd }), [signerOf(rsa)]),
  ],
  [
    'an RSA key of 1024 bits',
    /1024 bits/,
    async () => {
      const weak = await makeKey({ type: 'rsa', rsaBits: 1024 })
      return judge(await oldStyle(content, weak), [signerOf(weak)])
    },
  ],
  [
    'a key on Curve448',
    /ed448/,
    async () => {
      const other = await makeKey({ type: 'curve448' })
      return judge(await oldStyle(content, other, { hashAlgorithm: enums.hash.sha512 }), [signerOf(other)])
    },
  ],
  ['a key that cannot be read', /no key in it/, () => judge(good, [signerOf('rubbish')])],
]
for (const [name, why, run] of keys) {
  test(`${name} makes a signature untrusted`, async () => {
    const outcome = await run()
    assert.equal(outcome.status, 'untrusted', JSON.stringify(outcome))
    assert.match((outcome as Rejection).why, why)
  })
}
