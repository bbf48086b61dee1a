import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, beforeEach, describe, test } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import {
  buildImage,
  buildIndex,
  makeTar,
  type BuiltImage,
  type LayerFiles,
} from '../../../test/fixtures/build-image.ts'
import { PlainRegistry } from '../../../test/fixtures/plain-registry.ts'
import { digestOf, hexOf, type Digest } from '../../kernel/digest.ts'
import { CriFailure } from '../cri/failures.ts'
import { openContentStore } from './content-store.ts'
import { checkPath, LayerPaths } from './layer-paths.ts'
import { openSnapshots, type SnapshotKind } from './snapshots.ts'
import type { ContentStore, PullProgress, StoredImage } from './types.ts'

const signal = new AbortController().signal
const credentials = { username: 'user', password: 'secret' }
const isRoot = process.getuid?.() === 0

let folder: string
let registry: PlainRegistry
let store: ContentStore

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pratique-content-'))
  registry = await new PlainRegistry().start()
  store = openContentStore(join(folder, 'store'), { platforms: ['linux/amd64'] })
})
afterEach(async () => {
  await registry.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function pull(image: BuiltImage, progress: PullProgress[] = []): Promise<StoredImage> {
  registry.add(image, image.digest)
  return store.pull(
    { reference: `${registry.host}/app@${image.digest}`, credentials },
    { signal, progress: (one) => progress.push(one) },
  )
}

describe('the content store', () => {
  test('an image is here with every blob, is told of on the way, and survives a restart', async () => {
    const image = await buildImage({ layers: [{ a: '1' }, { b: '2' }], config: { User: 'app' } })
    const progress: PullProgress[] = []
    const stored = await pull(image, progress)
    assert.equal(stored.digest, image.digest)
    assert.equal(stored.config.config?.User, 'app')
    assert.equal(progress.filter(({ state }) => state === 'done').length, 2)
    const again = openContentStore(join(folder, 'store'))
    for (const name of [
      stored.id,
      stored.digest,
      hexOf(stored.id).slice(0, 8),
      `${registry.host}/app@${image.digest}`,
    ]) {
      assert.equal(again.find(name)?.id, stored.id, name)
    }
    for (const [digest, bytes] of image.blobs) assert.deepEqual(readFileSync(again.blobFile(digest)), bytes)
  })

  test('layers that are here are not fetched again, and two pulls of one image are one', async () => {
    const base = { base: 'x'.repeat(1000) }
    await pull(await buildImage({ layers: [base] }))
    const progress: PullProgress[] = []
    await pull(await buildImage({ layers: [base, { more: 'y' }] }), progress)
    assert.deepEqual(progress.filter(({ state }) => state === 'present').length, 1)
    const image = await buildImage({ layers: [{ z: 'z' }] })
    const [one, other] = await Promise.all([pull(image), pull(image)])
    assert.equal(one, other)
  })

  test('of an index the image of this platform is taken, and a missing platform is named', async () => {
    const image = await buildImage({ layers: [{ a: 'amd' }] })
    const other = await buildImage({ layers: [{ a: 'arm' }], architecture: 'arm64' })
    registry.add(image, image.digest)
    registry.add(other, other.digest)
    const index = buildIndex([image, other])
    registry.manifests.set(index.digest, { bytes: index.manifest, mediaType: index.mediaType })
    const reference = `${registry.host}/app@${index.digest}`
    assert.equal((await store.pull({ reference, credentials }, { signal })).digest, image.digest)
    await assert.rejects(store.pull({ reference, credentials, platforms: ['linux/riscv64'] }, { signal }), {
      code: 'FAILED_PRECONDITION',
      message: /linux\/arm64/,
    })
  })

  const layerOf = (image: BuiltImage): Digest => {
    const { layers } = JSON.parse(image.manifest.toString()) as { layers: { digest: Digest }[] }
    return layers[0]?.digest as Digest
  }

  for (const [about, change, code, message] of [
    ['other content', (bytes: Buffer) => Buffer.alloc(bytes.length, 7), 'DATA_LOSS', /other content/],
    ['fewer bytes', (bytes: Buffer) => bytes.subarray(0, 10), 'DATA_LOSS', /ended after 10 of/],
    ['more bytes', (bytes: Buffer) => Buffer.concat([bytes, bytes]), 'DATA_LOSS', /more than the/],
  ] as const) {
    test(`a layer with ${about} than its manifest says is refused, and leaves nothing`, async () => {
      const image = await buildImage({ layers: [{ a: 'a' }] })
      registry.add(image, image.digest)
      const digest = layerOf(image)
      registry.blobs.set(digest, change(registry.blobs.get(digest) as Buffer))
      const reference = `${registry.host}/app@${image.digest}`
      await assert.rejects(store.pull({ reference, credentials }, { signal }), { code, message })
      assert.deepEqual(store.list(), [])
      assert.ok(!existsSync(store.blobFile(digest)))
      assert.deepEqual(readdirSync(join(folder, 'store/ingest')), [])
    })
  }

  test('a registry that is down, refuses or has no such image is told apart', async () => {
    const image = await buildImage({ layers: [{ a: 'a' }] })
    const reference = `${registry.host}/app@${image.digest}`
    await assert.rejects(store.pull({ reference, credentials }, { signal }), { code: 'NOT_FOUND' })
    registry.instead = (_, response) => !response.writeHead(403).end('{"errors":[{"message":"quarantined"}]}')
    await assert.rejects(store.pull({ reference, credentials }, { signal }), {
      code: 'PERMISSION_DENIED',
      message: /quarantined/,
    })
    await registry.stop()
    await assert.rejects(store.pull({ reference, credentials }, { signal }), { code: 'UNAVAILABLE' })
    registry = await new PlainRegistry().start()
    await assert.rejects(store.pull({ reference: 'reg.example/app:1' }, { signal }), {
      code: 'INVALID_ARGUMENT',
    })
  })

  test('what is removed is gone with the blobs that nothing else names', async () => {
    const base = { base: 'shared' }
    const one = await pull(await buildImage({ layers: [base, { a: 'a' }] }))
    const two = await pull(await buildImage({ layers: [base, { b: 'b' }] }))
    await store.remove(one.id)
    await store.remove(one.id)
    assert.deepEqual(
      store.list().map(({ id }) => id),
      [two.id],
    )
    assert.equal(readdirSync(join(folder, 'store/blobs')).length, 3)
  })

  test('a record that is damaged, or whose blob is gone, is no image any more', async () => {
    const stored = await pull(await buildImage({ layers: [{ a: 'a' }] }))
    rmSync(store.blobFile(layerOf(await buildImage({ layers: [{ a: 'a' }] }))))
    assert.deepEqual(openContentStore(join(folder, 'store')).list(), [])
    writeFileSync(join(folder, 'store/images', `${hexOf(stored.id)}.json`), '{')
    assert.deepEqual(openContentStore(join(folder, 'store')).list(), [])
  })
})

describe('paths of a layer', () => {
  test('links of this layer and of those below are followed inside of the root', () => {
    const below = join(folder, 'below')
    mkdirSync(join(below, 'usr/lib'), { recursive: true })
    execFileSync('ln', ['-s', 'usr/lib', join(below, 'lib')])
    const paths = new LayerPaths([below])
    assert.equal(paths.resolve('lib/x.so'), 'usr/lib/x.so')
    paths.add('var/run', '/run')
    assert.equal(paths.resolve('./var/run/pid'), 'run/pid')
    paths.add('up', '../../../etc')
    assert.equal(paths.resolve('up/passwd'), 'etc/passwd')
    paths.add('loop', 'loop')
    assert.throws(() => paths.resolve('loop/x'), { code: 'INVALID_ARGUMENT' })
  })

  test('no name leads out of the root', () => {
    for (const name of ['../x', 'a/../../x', '..', 'a\0b', 'x'.repeat(5000)]) {
      assert.throws(() => checkPath(name), { code: 'INVALID_ARGUMENT' }, name)
    }
    fc.assert(
      fc.property(fc.array(fc.constantFrom('..', '.', 'a', '', 'b'), { maxLength: 8 }), (parts) => {
        try {
          const resolved = new LayerPaths([]).resolve(parts.join('/'))
          assert.ok(!resolved.startsWith('/') && !resolved.split('/').includes('..'))
        } catch (error) {
          assert.ok(error instanceof CriFailure)
        }
      }),
    )
  })
})

const below: LayerFiles = {
  'etc/': { type: 'directory', mode: 0o755 },
  'etc/passwd': 'root',
  'etc/old': 'old',
  'opt/app/': { type: 'directory', mode: 0o750, uid: 3, gid: 4 },
  'opt/app/a': 'a',
  'opt/app/b': 'b',
  'usr/lib/': { type: 'directory', mode: 0o755 },
  lib: { type: 'symlink', linkname: 'usr/lib' },
  'bin/su': { mode: 0o4755, content: 'su' },
}
const above: LayerFiles = {
  'etc/.wh.old': '',
  'opt/app/': { type: 'directory', mode: 0o700, uid: 5, gid: 6 },
  'opt/app/.wh..wh..opq': '',
  'opt/app/c': 'c',
  'lib/x.so': 'x',
  'hard/one': 'linked',
  'hard/two': { type: 'link', linkname: 'hard/one' },
}

for (const kind of ['overlay', 'copy'] as readonly SnapshotKind[]) {
  describe(`root file systems by ${kind}`, { skip: kind === 'overlay' && !isRoot && 'NEEDS ROOT' }, () => {
    const open = () => openSnapshots(join(folder, 'snapshots'), store, kind)
    after(() => {
      const left = readFileSync('/proc/self/mountinfo', 'utf8').includes(folder)
      assert.equal(left, false)
    })

    test('layers lie on one another as the specification says', async () => {
      const snapshots = open()
      const root = await snapshots.prepare(await pull(await buildImage({ layers: [below, above] })), 'c1', {
        signal,
      })
      const files = execFileSync('find', ['.', '-mindepth', '1', '-printf', '%P\n'], {
        cwd: root,
        encoding: 'utf8',
      })
      assert.deepEqual(files.trim().split('\n').sort(), [
        'bin',
        'bin/su',
        'etc',
        'etc/passwd',
        'hard',
        'hard/one',
        'hard/two',
        'lib',
        'opt',
        'opt/app',
        'opt/app/c',
        'usr',
        'usr/lib',
        'usr/lib/x.so',
      ])
      assert.equal(statSync(join(root, 'bin/su')).mode & 0o7777, 0o4755)
      assert.equal(statSync(join(root, 'opt/app')).mode & 0o777, 0o700)
      if (isRoot) assert.equal(statSync(join(root, 'opt/app')).uid, 5)
      assert.ok(lstatSync(join(root, 'lib')).isSymbolicLink())
      assert.equal(statSync(join(root, 'hard/one')).nlink, 2)
      await snapshots.remove('c1')
    })

    test('what one container writes another does not see, and nothing is left of it', async () => {
      const snapshots = open()
      const image = await pull(await buildImage({ layers: [below] }))
      const [one, two] = await Promise.all([
        snapshots.prepare(image, 'c1', { signal }),
        snapshots.prepare(image, 'c2', { signal }),
      ])
      writeFileSync(join(one, 'etc/passwd'), 'changed')
      assert.equal(readFileSync(join(two, 'etc/passwd'), 'utf8'), 'root')
      assert.ok((await snapshots.usage('c1')).usedBytes > 0)
      assert.deepEqual((await open().list()).toSorted(), ['c1', 'c2'])
      await open().remove('c1')
      await open().remove('c1')
      await snapshots.remove('c2')
      assert.deepEqual(await snapshots.list(), [])
      await snapshots.prune([])
      assert.deepEqual(readdirSync(join(folder, 'snapshots/layers')), [])
    })

    for (const [about, files, message] of [
      ['an entry that leaves the root', { '../evil': 'x' }, /leaves the root/],
      [
        'a hard link to what is outside',
        { a: { type: 'link', linkname: '../../etc/shadow' } },
        /leaves the root/,
      ],
    ] as readonly (readonly [string, LayerFiles, RegExp])[]) {
      test(`a layer with ${about} is refused`, async () => {
        const image = await pull(await buildImage({ layers: [files] }))
        await assert.rejects(open().prepare(image, 'c1', { signal }), { code: 'INVALID_ARGUMENT', message })
        assert.deepEqual(readdirSync(join(folder, 'snapshots/layers')), [])
      })
    }

    test('a link that leads out of the image leads nowhere when it is written through', async () => {
      const outside = join(folder, 'outside')
      mkdirSync(outside)
      const image = await pull(
        await buildImage({
          layers: [{ link: { type: 'symlink', linkname: outside } }, { 'link/evil': 'x' }],
        }),
      )
      await open().prepare(image, 'c1', { signal })
      assert.deepEqual(readdirSync(outside), [])
      await open().remove('c1')
    })

    test('a folder that is in two layers has what both have in it', async () => {
      const layers: LayerFiles[] = [
        { 'etc/passwd': 'p' },
        { 'etc/': { type: 'directory', mode: 0o755 }, 'etc/name': 'n' },
      ]
      const snapshots = open()
      const root = await snapshots.prepare(await pull(await buildImage({ layers })), 'c1', { signal })
      assert.deepEqual(readdirSync(join(root, 'etc')).toSorted(), ['name', 'passwd'])
      await snapshots.remove('c1')
    })

    test('nothing outside is reached by a folder, an opaque one, or a hard link in place of a link', async () => {
      const outside = join(folder, 'outside')
      mkdirSync(outside)
      writeFileSync(join(outside, 'kept'), 'kept')
      const link = { type: 'symlink', linkname: outside } as const
      const hard = { type: 'link', linkname: 'd' } as const
      const snapshots = open()
      for (const [index, layers] of (
        [
          [{ d: link }, { 'd/': { type: 'directory' } }],
          [{ d: link }, { 'd/.wh..wh..opq': '' }],
          [{ d: link }, { d: link, e: hard, 'e/evil': 'x' }],
          [{ d: link, e: hard }, { 'e/evil': 'x' }],
          [
            { d: link, e: hard },
            { 'e/.wh..wh..opq': '', 'e/.wh.kept': '' },
          ],
          [
            { d: link, e: hard },
            { 'e/': { type: 'directory' }, 'e/evil': 'x' },
          ],
          [{ d: link }, { e: hard, 'e/evil': 'x' }],
        ] as LayerFiles[][]
      ).entries()) {
        const image = await pull(await buildImage({ layers }))
        // Some of them are refused, which is as good.
        await snapshots.prepare(image, `c${index}`, { signal }).catch(() => {})
        await snapshots.remove(`c${index}`)
        assert.deepEqual(readdirSync(outside), ['kept'], `case ${index}`)
      }
    })

    test('a layer that is not what the config says is refused, as are broken and unknown ones', async () => {
      const good = await pull(await buildImage({ layers: [below] }))
      const lie = {
        ...good,
        config: { ...good.config, rootfs: { type: 'layers', diff_ids: [digestOf('lie')] } },
      }
      await assert.rejects(open().prepare(lie, 'c1', { signal }), {
        code: 'DATA_LOSS',
        message: /something else/,
      })
      const [layer] = good.layers
      const bytes = readFileSync(store.blobFile(layer?.digest as Digest))
      writeFileSync(store.blobFile(layer?.digest as Digest), bytes.subarray(0, bytes.length / 2))
      await assert.rejects(open().prepare(good, 'c1', { signal }), {
        code: 'DATA_LOSS',
        message: /is broken/,
      })
      const strange = { ...good, layers: [{ ...layer, mediaType: 'text/plain' }] } as StoredImage
      await assert.rejects(open().prepare(strange, 'c1', { signal }), { code: 'FAILED_PRECONDITION' })
      const wasm = { ...good, config: {} }
      await assert.rejects(open().prepare(wasm, 'c1', { signal }), { code: 'FAILED_PRECONDITION' })
    })

    test('zstd is unpacked, and what was half unpacked is taken away at the next start', async () => {
      const tar = await makeTar({ a: 'zstd' })
      const image = await pull(await buildImage({ layers: [{ a: 'zstd' }] }))
      const packed = zstdCompressSync(tar)
      const digest = digestOf(packed)
      writeFileSync(store.blobFile(digest), packed)
      const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd', digest, size: packed.length }
      mkdirSync(join(folder, 'snapshots/unpacking/half'), { recursive: true })
      const root = await open().prepare({ ...image, layers: [layer] }, 'c1', { signal })
      assert.equal(readFileSync(join(root, 'a'), 'utf8'), 'zstd')
      assert.deepEqual(readdirSync(join(folder, 'snapshots/unpacking')), [])
      await open().remove('c1')
    })
  })
}
