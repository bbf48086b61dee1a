import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encode } from './protocol.ts'
import { requireOneReading } from './require-one-reading.ts'
import { embed } from './splice.ts'

const refused = (message: RegExp): object => ({ code: 'INVALID_ARGUMENT', message })
const config = 2
const mounts = 7

const request = encode('CreateContainerRequest', {
  podSandboxId: 'p',
  config: {
    metadata: { name: 'app', attempt: 1 },
    image: { image: 'app:1', annotations: { a: 'b', c: 'd' } },
    envs: [
      { key: 'A', value: Buffer.from('1') },
      { key: 'B', value: Buffer.from('2') },
    ],
    mounts: [{ containerPath: '/x', image: { image: 'one' } }, { containerPath: '/y' }],
    labels: { one: '1', two: '2' },
    linux: {
      resources: { cpuShares: 5, hugepageLimits: [{ pageSize: '2MB', limit: 1 }] },
      securityContext: { supplementalGroups: [1, 2, 3], runAsUser: { value: 7 } },
    },
  },
})

test('what encoders write is read in one way, with fields that are not known', () => {
  requireOneReading('CreateContainerRequest', request)
  const unknown = embed(1999, Buffer.from('of a newer kubelet'))
  requireOneReading('CreateContainerRequest', Buffer.concat([unknown, request, unknown, unknown]))
  requireOneReading('CreateContainerRequest', Buffer.of())
  // Groups as numbers one by one, as encoders before packing wrote them.
  const groups = Buffer.from([0x40, 5, 0x40, 6])
  requireOneReading('LinuxContainerSecurityContext', Buffer.concat([groups, Buffer.from([0x42, 1, 7])]))
})

test('a message field that is there twice is refused, at any depth', () => {
  const second = encode('ContainerConfig', { mounts: [{ image: { image: 'uncleared' } }] })
  assert.throws(
    () => requireOneReading('CreateContainerRequest', Buffer.concat([request, embed(config, second)])),
    refused(/CreateContainerRequest.config is there twice/),
  )
  const image = embed(9, encode('ImageSpec', { image: 'one' }))
  const mount = embed(mounts, Buffer.concat([image, image]))
  assert.throws(
    () => requireOneReading('CreateContainerRequest', embed(config, mount)),
    refused(/Mount.image is there twice/),
  )
})

test('a known field of another wire type, a long key and what is no message are refused', () => {
  const asVarint = Buffer.from([config * 8, 1])
  assert.throws(
    () => requireOneReading('CreateContainerRequest', asVarint),
    refused(/CreateContainerRequest.config has wire type 0/),
  )
  const longKey = Buffer.from([0x92, 0x00, 0x00])
  assert.throws(
    () => requireOneReading('CreateContainerRequest', longKey),
    refused(/longer than it has to be/),
  )
  // A reader of 64 bits takes its field for another one than a reader of 32 bits.
  const overflowing = Buffer.from([0x92, 0x80, 0x80, 0x80, 0x10, 0x00])
  assert.throws(() => requireOneReading('CreateContainerRequest', overflowing), refused(/longer than/))
  for (const bytes of [Buffer.from([0x12, 0x05, 0x01]), Buffer.from([0x12]), Buffer.from([0x17])]) {
    assert.throws(() => requireOneReading('CreateContainerRequest', bytes), refused(/this is no Create/))
  }
})
