import assert from 'node:assert/strict'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { randomUUID } from 'node:crypto'
import { digestOf } from '../../kernel/digest.ts'
import type { BlobStore, UploadStore } from '../types.ts'

/** What every blob store has to do. `open` gives a store that is empty. */
export function blobStoreContract(open: () => Promise<BlobStore & UploadStore>): void {
  async function stage(store: UploadStore, ...parts: string[]): Promise<string> {
    const id = randomUUID()
    await store.begin(id)
    for (const part of parts) await store.append(id, chunks(part))
    return id
  }

  test('what was staged in parts is committed whole, and the upload is gone', async () => {
    const store = await open()
    const id = await stage(store, 'one ', 'two')
    assert.equal(await store.stagedBytes(id), 7)
    const location = await store.commit(id, digestOf('one two'))
    assert.equal((await buffer(store.open(location))).toString(), 'one two')
    assert.equal(await store.sizeOf(location), 7)
    assert.ok(await store.stampOf(location))
    assert.equal(await store.stampOf(location), await store.stampOf(location))
    assert.equal(await store.stagedBytes(id), undefined)
  })

  test('a range gives its bytes, both ends included', async () => {
    const store = await open()
    const location = await store.commit(await stage(store, 'abcdef'), digestOf('abcdef'))
    assert.equal((await buffer(store.open(location, { first: 1, last: 3 }))).toString(), 'bcd')
  })

  test('the same digest again gets another location, so that removing one leaves the other', async () => {
    const store = await open()
    const first = await store.commit(await stage(store, 'same'), digestOf('same'))
    const second = await store.commit(await stage(store, 'same'), digestOf('same'))
    assert.notEqual(first, second)
    await store.remove(first)
    await store.remove(first)
    assert.equal(await store.sizeOf(first), undefined)
    assert.equal((await buffer(store.open(second))).toString(), 'same')
  })

  test('what arrived before a client went away stays', async () => {
    const store = await open()
    const id = await stage(store)
    await assert.rejects(store.append(id, broken('arrived')), /gone/)
    assert.equal((await buffer(store.read(id))).toString(), 'arrived')
  })

  test('equal bytes are told from others, damaged and missing ones', async () => {
    const store = await open()
    const location = await store.commit(await stage(store, 'x'.repeat(3_000_000)), digestOf('x'))
    assert.equal(await store.equals(await stage(store, 'x'.repeat(3_000_000)), location), true)
    assert.equal(await store.equals(await stage(store, `${'x'.repeat(2_999_999)}y`), location), false)
    assert.equal(await store.equals(await stage(store, 'x'), location), false)
    assert.equal(await store.equals(await stage(store, 'x'), `${location}0`), false)
  })

  test('everything is listed, and a discarded upload is not', async () => {
    const store = await open()
    const location = await store.commit(await stage(store, 'listed'), digestOf('listed'))
    const [kept, discarded] = [await stage(store, 'kept'), await stage(store, 'discarded')]
    await store.discard(discarded)
    await store.discard(discarded)
    const locations = await Array.fromAsync(store.list())
    assert.deepEqual(
      locations.map((stored) => stored.location),
      [location],
    )
    const uploads = await Array.fromAsync(store.listUploads())
    assert.deepEqual(
      uploads.map((upload) => upload.id),
      [kept],
    )
  })

  test('pitfall 15: an upload id that is none never becomes a path', async () => {
    const store = await open()
    for (const id of ['../x', '', '..', 'a/b'])
      await assert.rejects(async () => store.begin(id), /not an upload id/)
  })
}

async function* chunks(text: string): AsyncIterable<Uint8Array> {
  for (let index = 0; index < text.length; index += 65_536)
    yield Buffer.from(text.slice(index, index + 65_536))
}

async function* broken(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text)
  throw new Error('gone')
}
