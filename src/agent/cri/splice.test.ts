import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decode, encode } from './protocol.ts'
import { embed, itemsOf, mapItems } from './splice.ts'

/** A field that no version of the contract has. */
const unknown = embed(1999, Buffer.from('of a newer kubelet'))

test('what is written after a message overrides it and keeps what is not known', () => {
  const request = Buffer.concat([encode('RunPodSandboxRequest', { runtimeHandler: 'strong' }), unknown])
  const changed = Buffer.concat([request, encode('RunPodSandboxRequest', { runtimeHandler: 'runsc' })])
  assert.equal(decode('RunPodSandboxRequest', changed).runtimeHandler, 'runsc')
  assert.ok(changed.includes('of a newer kubelet'))
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
