import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { makeTar } from '../../../test/fixtures/build-image.ts'
import { digestOf } from '../../kernel/digest.ts'
import { mediaTypes } from '../../kernel/media-types.ts'
import { LayerCache } from '../layers/layer-cache.ts'
import type { LayerChanges } from '../layers/read-layer.ts'
import { runScan, scanLimits } from './run-scan.ts'
import type { LayerTask } from './scan-task.ts'

const folder = mkdtempSync(join(tmpdir(), 'pratique-run-scan-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const content = await makeTar({
  'etc/os-release': 'ID=alpine\nVERSION_ID=3.20.1\n',
  'lib/apk/db/installed': 'P:musl\nV:1.2.5-r0\nA:x86_64\no:musl\n',
})
let files = 0
function layer(bytes: Buffer, more: Partial<LayerTask> = {}): LayerTask {
  const file = join(folder, `layer-${++files}`)
  writeFileSync(file, bytes)
  return { digest: digestOf(bytes), mediaType: mediaTypes.ociLayer, bytes: { file }, ...more }
}
const fileOf = ({ bytes }: LayerTask): string => ('file' in bytes ? bytes.file : '')

describe('a scan in a process of its own', () => {
  test('finds what the layers hold', async () => {
    const { packages, operatingSystem } = await runScan({ layers: [layer(content)] }, scanLimits)
    assert.equal(operatingSystem?.id, 'alpine')
    assert.deepEqual(
      packages.map(({ purl }) => purl),
      ['pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.1'],
    )
  })

  test('reads a part of a file as a layer', async () => {
    const task = layer(Buffer.concat([Buffer.from('before'), content, Buffer.from('behind')]))
    const part = { file: fileOf(task), first: 6, last: 5 + content.length }
    const { packages } = await runScan(
      { layers: [{ ...task, digest: digestOf(content), bytes: part }] },
      scanLimits,
    )
    assert.equal(packages.length, 1)
  })

  test('reads a layer once: the next image with it needs no bytes of it', async () => {
    const cacheFolder = join(folder, 'cache-once')
    const task = layer(content)
    const first = await runScan({ layers: [task], cacheFolder }, scanLimits)
    truncateSync(fileOf(task), 0)
    const known = { ...task, isVerified: true }
    assert.deepEqual(await runScan({ layers: [known], cacheFolder }, scanLimits), first)
    await assert.rejects(
      runScan({ layers: [task], cacheFolder }, scanLimits),
      /the content of layer .* has digest/,
    )
  })

  test('reads a layer again when what was kept of it is damaged', async () => {
    const cacheFolder = join(folder, 'cache-damaged')
    const task = layer(content)
    const first = await runScan({ layers: [task], cacheFolder }, scanLimits)
    const kept = readdirSync(cacheFolder, { recursive: true, encoding: 'utf8' })
      .map((name) => join(cacheFolder, name))
      .filter((path) => /layer.sha256-/.test(path))
    assert.equal(kept.length, 1)
    truncateSync(kept[0] as string, 20)
    assert.deepEqual(await runScan({ layers: [task], cacheFolder }, scanLimits), first)
  })

  test('does not believe a config whose diff-id is that of another layer, cached or not', async () => {
    const cacheFolder = join(folder, 'cache-lie')
    const clean = layer(await makeTar({ 'etc/os-release': 'ID=alpine\n' }))
    await runScan({ layers: [clean], cacheFolder }, scanLimits)
    const lying = layer(content, { diffId: clean.digest })
    for (let round = 0; round < 2; round++) {
      await assert.rejects(runScan({ layers: [lying], cacheFolder }, scanLimits), /but the config says/)
    }
  })

  test('is ended when it takes too long, or too much memory', async () => {
    await assert.rejects(
      runScan({ layers: [layer(content)] }, { ...scanLimits, timeoutMs: 5 }),
      /longer than 5 ms/,
    )
    const large = layer(await makeTar({ 'large.bin': Buffer.alloc(64 * 1024 ** 2) }))
    const many = Array.from({ length: 40 }, () => large)
    await assert.rejects(
      runScan({ layers: many }, { ...scanLimits, memoryMb: 10 }),
      /more than 10 MB of memory/,
    )
  })

  test('that is interrupted ends at once', async () => {
    const stopped = AbortSignal.timeout(1)
    await assert.rejects(runScan({ layers: [layer(content)] }, scanLimits, stopped), /interrupted/)
  })
})

test('the cache gives several layers together, up to a size, or none', async () => {
  const cache = new LayerCache(join(folder, 'cache-all'))
  const digests = ['a', 'b'].map((text) => digestOf(Buffer.from(text)))
  for (const digest of digests) {
    const files = new Map([['etc/os-release', { unknown: 'x'.repeat(10_000) }]])
    await cache.keep(digest, { diffId: digest, files, removed: [], opaque: [], links: [] })
  }
  assert.equal((await cache.findAll(digests, 30_000))?.length, 2)
  assert.equal(await cache.findAll(digests, 15_000), undefined, 'too large together')
  assert.equal(await cache.findAll([...digests, digestOf(Buffer.from('c'))], 30_000), undefined)
})

test('a layer that is called WebAssembly and is something else cannot be scanned', async () => {
  const mediaType = 'application/vnd.wasm.content.layer.v1+wasm'
  await assert.rejects(runScan({ layers: [layer(content, { mediaType })] }, scanLimits), /no WebAssembly/)
})

test('the cache keeps to its size, and forgets first what was not used for longest', async () => {
  const root = join(folder, 'cache-size')
  const cache = new LayerCache(root, 600)
  const changes = (index: number): LayerChanges => ({
    diffId: digestOf(Buffer.from(`diff ${index}`)),
    files: new Map([['etc/os-release', { unknown: `${index}`.repeat(20) }]]),
    removed: [],
    opaque: [],
    links: [],
  })
  const digests = [1, 2, 3, 4, 5].map((index) => digestOf(Buffer.from(`blob ${index}`)))
  for (const [index, digest] of digests.entries()) {
    await cache.keep(digest, changes(index))
    await new Promise((resolve) => setTimeout(resolve, 15))
  }
  assert.ok(await cache.find(digests[0] as string))
  await cache.trim()
  const sizes = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => /layer.sha256-/.test(name))
    .map((name) => statSync(join(root, name)).size)
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) <= 600)
  assert.ok(await cache.find(digests[0] as string), 'used a moment ago')
  assert.equal(await cache.find(digests[1] as string), undefined)
})
