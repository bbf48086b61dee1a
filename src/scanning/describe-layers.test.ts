import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mediaTypes } from '../kernel/media-types.ts'
import { describeLayers } from './describe-layers.ts'

const layers = ['a', 'b'].map((digest) => ({ digest, mediaType: mediaTypes.ociLayer }))

test('instructions go to the layers that they made, past those that made none', () => {
  const history = [{ created_by: 'FROM' }, { created_by: 'ENV', empty_layer: true }, { created_by: 'RUN' }]
  const described = describeLayers(
    layers,
    { rootfs: { diff_ids: ['1', '2'] }, history },
    mediaTypes.ociConfig,
  )
  assert.deepEqual(
    described.map(({ diffId, instruction }) => `${diffId} ${instruction}`),
    ['1 FROM', '2 RUN'],
  )
})

test('an image whose config does not name what every layer unpacks to is refused', () => {
  for (const rootfs of [
    undefined,
    null,
    {},
    { diff_ids: ['1'] },
    { diff_ids: ['1', '2', '3'] },
    { diff_ids: 'ab' },
  ]) {
    for (const type of [mediaTypes.ociConfig, mediaTypes.dockerConfig]) {
      assert.throws(() => describeLayers(layers, rootfs === undefined ? {} : { rootfs }, type), {
        code: 'SCAN_FAILED',
      })
    }
  }
  assert.equal(describeLayers(layers, {}, mediaTypes.wasmConfig).length, 2)
})

test('a config of any form is read without an exception, and an instruction has an end', () => {
  const rootfs = { diff_ids: [1, null] }
  for (const history of [
    null,
    'text',
    {},
    [null, 1],
    [{ created_by: 5 }],
    [{ created_by: 'x'.repeat(1e5) }],
  ]) {
    const described = describeLayers(layers, { rootfs, history }, mediaTypes.ociConfig)
    assert.ok((described[0]?.instruction?.length ?? 0) <= 4096)
  }
})
