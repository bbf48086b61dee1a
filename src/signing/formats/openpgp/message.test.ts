import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateRawSync, deflateSync } from 'node:zlib'
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
} from '../../../../test/fixtures/openpgp-messages.ts'
import { digestOf } from '../../../kernel/digest.ts'
import { mediaTypes } from '../../../kernel/media-types.ts'
import type { Attachment, Claim, Rejection } from '../../types.ts'
import { openpgp } from './index.ts'
import { readPackets } from './read-packets.ts'

const digest = digestOf('an image')
const release = await makeKey()
const good = await signMessage(simplePayload(digest), release)

function judge(bytes: Buffer): Promise<Claim | Rejection> {
  return judgeMessage(bytes, digest, [signerOf(release)])
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
  const parts: Buffer[] = [Buffer.of(0xc0 | tag)]
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

test('a signature counts in every form in which one message can be written', async () => {
  const padded = await signMessage(`${' '.repeat(2000)}${simplePayload(digest)}`, release)
  const forms = [
    good,
    Buffer.concat([onePass, literal, signature]),
    compressed(0, good),
    compressed(1, deflateRawSync(good)),
    compressed(2, deflateSync(good)),
    packet(8, Buffer.concat([Buffer.of(1), deflateRawSync(good)])),
    await signBefore(simplePayload(digest), secretOf(release)),
    Buffer.concat(
      readPackets(padded).map(({ tag, body }) => (tag === 11 ? inParts(tag, body) : packet(tag, body))),
    ),
  ]
  for (const [index, form] of forms.entries()) {
    const outcome = await judge(form)
    assert.equal(outcome.status, 'verified', `form ${index}: ${JSON.stringify(outcome)}`)
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
  [
    'content after its signature, with the one-pass part',
    Buffer.concat([onePass, signature, literal]),
    /no signed/,
  ],
  ['a signature after content, without it', Buffer.concat([literal, signature]), /no signed message/],
  ['a marker in front', Buffer.concat([packet(10, Buffer.from('PGP')), good]), /no signed message/],
  ['padding behind', Buffer.concat([good, packet(21, Buffer.from('pad'))]), /no signed message/],
  [
    'a packet of private use behind',
    Buffer.concat([good, packet(60, Buffer.from('x'))]),
    /no signed message/,
  ],
  ['a key', packet(6, Buffer.from('key')), /no content/],
  [
    'compression inside compression',
    compressed(1, deflateRawSync(compressed(1, deflateRawSync(good)))),
    /no content/,
  ],
  [
    'compression inside the signature',
    Buffer.concat([onePass, packet(8, Buffer.of(0, ...literal)), signature]),
    /no content/,
  ],
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
    assert.match(outcome.why, why)
  })
}

test('only layers of our media type in a referrer of our artifact type are signatures', () => {
  const layer = { mediaType: mediaTypes.simpleSigningOpenpgp, digest, size: 1 }
  const layers = [layer, { ...layer, mediaType: mediaTypes.cosignSimpleSigning }]
  const attachment: Attachment = {
    digest,
    via: 'referrer',
    artifactType: mediaTypes.simpleSigning,
    annotations: {},
    layers,
  }
  assert.deepEqual(openpgp.envelopesOf(attachment), [layer])
  for (const change of [
    { via: 'sig-tag' },
    { artifactType: undefined },
    { artifactType: 'other' },
    { layers: [] },
  ]) {
    assert.deepEqual(openpgp.envelopesOf({ ...attachment, ...change } as Attachment), [])
  }
})
