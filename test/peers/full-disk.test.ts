import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openContentStore } from '../../src/agent/content/content-store.ts'
import { openSnapshots } from '../../src/agent/content/snapshots.ts'
import { buildImage } from '../fixtures/build-image.ts'
import { PlainRegistry } from '../fixtures/plain-registry.ts'
import { rootSkip } from './peer.ts'

const signal = new AbortController().signal

describe('a disk that is full', { skip: rootSkip() }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'pratique-full-'))
  let registry: PlainRegistry
  before(async () => {
    registry = await new PlainRegistry().start()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'pratique-full', folder])
  })
  after(async () => {
    if (rootSkip()) return
    execFileSync('umount', [folder])
    rmSync(folder, { recursive: true })
    await registry.stop()
  })

  const pull = async (bytes: Buffer) => {
    const image = await buildImage({ layers: [{ data: bytes }] })
    registry.add(image, image.digest)
    const store = openContentStore(join(folder, 'store'))
    const credentials = { username: 'user', password: 'secret' }
    const pulled = store.pull({ reference: `${registry.host}/app@${image.digest}`, credentials }, { signal })
    return { store, image: await pulled }
  }

  test('refuses a pull with what to do, and keeps nothing of it', async () => {
    await assert.rejects(pull(randomBytes(6_000_000)), {
      code: 'RESOURCE_EXHAUSTED',
      message: /no space .* pratique rmi/,
    })
    assert.deepEqual(readdirSync(join(folder, 'store/ingest')), [])
  })

  test('refuses to unpack what would not fit, and goes on when there is room', async () => {
    // It packs well: the blob fits, and what is in it does not.
    const { store, image } = await pull(Buffer.alloc(6_000_000))
    const snapshots = openSnapshots(join(folder, 'snapshots'), store, 'copy')
    await assert.rejects(snapshots.prepare(image, 'c1', { signal }), {
      code: 'RESOURCE_EXHAUSTED',
      message: /no space to unpack/,
    })
    assert.deepEqual(readdirSync(join(folder, 'snapshots/layers')), [])
    execFileSync('mount', ['-o', 'remount,size=32m', folder])
    await snapshots.prepare(image, 'c2', { signal })
    await snapshots.remove('c2')
  })
})
