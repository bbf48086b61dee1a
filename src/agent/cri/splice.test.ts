import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { amend, decode, encode } from './protocol.ts'
import { embed, itemsOf, mapItems } from './splice.ts'

/** A field that no version of the contract has. */
const unknown = embed(1999, Buffer.from('of a newer kubelet'))

test('what is written after a message overrides it and keeps what is not known', () => {
  const request = Buffer.concat([encode('RunPodSandboxRequest', { runtimeHandler: 'strong' }), unknown])
  const changed = Buffer.concat([request, encode('RunPodSandboxRequest', { runtimeHandler: 'runsc' })])
  assert.equal(decode('RunPodSandboxRequest', changed).runtimeHandler, 'runsc')
  assert.ok(changed.includes('of a newer kubelet'))
})

test('a field deep inside is amended, beside what is not known at any depth', () => {
  const image = Buffer.concat([encode('ImageSpec', { image: 'app:1', runtimeHandler: 'x' }), unknown])
  const request = Buffer.concat([
    encode('CreateContainerRequest', { podSandboxId: 'p' }),
    embed(2, Buffer.concat([encode('ContainerConfig', { command: ['a'] }), embed(2, image), unknown])),
  ])
  const changed = amend('CreateContainerRequest', request, ['config', 'image'], { image: 'sha256:1' })
  const { config, podSandboxId } = decode('CreateContainerRequest', changed)
  assert.deepEqual(
    [podSandboxId, config?.command, config?.image?.image, config?.image?.runtimeHandler],
    ['p', ['a'], 'sha256:1', 'x'],
  )
  assert.equal(changed.toString('latin1').split('of a newer kubelet').length, 3)
  const made = amend('CreateContainerRequest', Buffer.of(), ['config', 'image'], { image: 'y' })
  assert.equal(decode('CreateContainerRequest', made).config?.image?.image, 'y')
})

test('items are changed and left out, and everything else stays as it is', () => {
  const list = Buffer.concat([
    encode('ListContainersResponse', { containers: [{ id: 'a' }, { id: 'b' }, { id: 'c' }] }),
    unknown,
  ])
  const changed = mapItems(list, 1, (item) => {
    const { id } = decode('Container', item)
    if (id === 'b') return undefined
    return id === 'c' ? Buffer.concat([item, encode('Container', { imageRef: 'x' })]) : item
  })
  assert.deepEqual(
    decode('ListContainersResponse', changed).containers.map(({ id, imageRef }) => [id, imageRef]),
    [
      ['a', ''],
      ['c', 'x'],
    ],
  )
  assert.ok(changed.includes('of a newer kubelet'))
})

test('a message that is changed nowhere is the same byte for byte', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ id: fc.string(), createdAt: fc.nat() })), (containers) => {
      const list = Buffer.concat([encode('ListContainersResponse', { containers }), unknown])
      assert.deepEqual(
        mapItems(list, 1, (item) => item),
        list,
      )
      assert.equal(itemsOf(list, 1).length, containers.length)
    }),
  )
})

test('bytes that are no message are refused, and nothing hangs', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        itemsOf(bytes, 1)
      } catch (error) {
        assert.ok(error instanceof Error)
      }
    }),
  )
  assert.throws(() => itemsOf(Buffer.from([0x0a, 0xff]), 1))
})
