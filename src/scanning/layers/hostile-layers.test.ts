import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { makeTar, type LayerFiles } from '../../../test/fixtures/build-image.ts'
import type { Inventory } from '../types.ts'
import { readLayer, type LayerChanges } from './read-layer.ts'
import { stackLayers } from './stack-layers.ts'

const small = { entries: 1_000, uncompressedBytes: 10_000_000 }

const path = 'app/node_modules/bad/package.json'
const manifest = (version: string): string => JSON.stringify({ name: 'bad', version })
const bad = block({ name: path, content: manifest('1.0.0') })
const end = Buffer.alloc(1024)

function read(...parts: readonly Buffer[]): Promise<LayerChanges> {
  return readLayer(Readable.from([Buffer.concat(parts)]), small)
}

async function stack(...layers: readonly (Buffer | LayerFiles)[]): Promise<Inventory> {
  const changes = await Promise.all(
    layers.map(async (layer) => read(Buffer.isBuffer(layer) ? layer : await makeTar(layer))),
  )
  return stackLayers(
    changes.map(({ diffId }) => ({ digest: '', diffId })),
    changes,
  )
}

async function found(...layers: readonly (Buffer | LayerFiles)[]): Promise<string[]> {
  return (await stack(...layers)).packages.map(({ name, version, path }) => `${name} ${version} ${path}`)
}

interface Written {
  readonly name: string
  readonly type?: string
  readonly content?: string
  readonly size?: number
  readonly target?: string
}

/** An entry as no well-behaved tool writes it. */
function block({ name, type = '0', content = '', size = content.length, target = '' }: Written): Buffer {
  const header = Buffer.alloc(512)
  header.write(name, 0, 100)
  header.write('0000644\0', 100)
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  header.write('        ', 148)
  header.write(type, 156, 'latin1')
  header.write(target, 157, 100)
  header.write('ustar\x0000', 257)
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  )
  const padded = Buffer.alloc(Math.ceil(content.length / 512) * 512)
  padded.write(content)
  return Buffer.concat([header, padded])
}

function pax(type: 'x' | 'g', key: string, value: string): Buffer {
  const text = ` ${key}=${value}\n`
  const length = [1, 2, 3].map((digits) => digits + text.length).find((sum, at) => `${sum}`.length === at + 1)
  return block({ name: 'pax', type, content: `${length}${text}` })
}

describe('what runtimes unpack is what is seen', () => {
  test('what follows the end of a tar neither adds nor replaces anything', async () => {
    const behind = block({ name: path, content: manifest('2.0.0') })
    const layer = Buffer.concat([bad, end, behind, block({ name: 'app/.wh.lower' }), end])
    assert.deepEqual(await found(layer), [`bad 1.0.0 ${path}`])
    const { diffId } = await read(layer)
    assert.notEqual(diffId, (await read(bad, end)).diffId, 'the diff-id is of all bytes')
  })

  for (const type of ['1', '2', '3', '4', '5', '6']) {
    test(`an entry of type ${type} cannot swallow the one behind it by claiming content`, async () => {
      const liar = block({ name: 'liar', type, target: 'nowhere', size: bad.length })
      assert.deepEqual(await found(Buffer.concat([liar, bad, end])), [`bad 1.0.0 ${path}`])
    })
  }

  test('global pax records rename nothing', async () => {
    const layer = Buffer.concat([pax('g', 'path', 'decoy'), pax('x', 'mtime', '1'), bad, end])
    assert.deepEqual(await found(layer), [`bad 1.0.0 ${path}`])
  })

  test('pax records name and size the next entry only', async () => {
    const renamed = Buffer.concat([pax('x', 'path', 'srv/node_modules/x/package.json'), bad, bad, end])
    assert.deepEqual(await found(renamed), [`bad 1.0.0 ${path}`, 'bad 1.0.0 srv/node_modules/x/package.json'])
    const { length } = manifest('1.0.0')
    const sized = block({ name: path, content: manifest('1.0.0'), size: 0 })
    assert.deepEqual(await found(Buffer.concat([pax('x', 'size', `${length}`), sized, end])), [
      `bad 1.0.0 ${path}`,
    ])
  })

  test('a file whose name ends with a slash is one', async () => {
    const file = block({ name: `${path}/`, content: manifest('1.0.0') })
    assert.deepEqual(await found(Buffer.concat([file, end])), [`bad 1.0.0 ${path}`])
  })

  test('pitfall 15: a path that climbs out of the root is inside it', async () => {
    const file = block({ name: `../../${path}`, content: manifest('1.0.0') })
    assert.deepEqual(await found(Buffer.concat([file, end])), [`bad 1.0.0 ${path}`])
  })

  test('of two entries of one path the last holds, whether file or link', async () => {
    const good = { 'opt/node_modules/good/package.json': '{"name":"good","version":"1.0.0"}' }
    const [target = ''] = Object.keys(good)
    const link = block({ name: path, type: '1', target })
    const goodOnly = `good 1.0.0 ${target}`
    assert.deepEqual(await found(good, Buffer.concat([link, bad, end])), [`bad 1.0.0 ${path}`, goodOnly])
    assert.deepEqual(await found(good, Buffer.concat([bad, link, end])), [goodOnly])
    const gone = block({ name: path, type: '2', target: 'nowhere' })
    assert.deepEqual(await found(Buffer.concat([bad, gone, end])), [])
  })

  test('a hard link to a hard link has what the first one leads to', async () => {
    const links = Buffer.concat([
      block({ name: 'one/node_modules/bad/package.json', type: '1', target: path }),
      block({ name: path, type: '1', target: 'one/node_modules/bad/package.json' }),
      block({
        name: 'two/node_modules/bad/package.json',
        type: '1',
        target: 'one/node_modules/bad/package.json',
      }),
      end,
    ])
    assert.ok(
      (await found({ [path]: manifest('1.0.0') }, links)).includes(
        'bad 1.0.0 two/node_modules/bad/package.json',
      ),
    )
  })

  test('hard links in a circle are counted, not lost', async () => {
    const [one, two] = ['one/node_modules/bad/package.json', 'two/node_modules/bad/package.json']
    const circle = Buffer.concat([
      block({ name: one, type: '1', target: two }),
      block({ name: two, type: '1', target: one }),
      end,
    ])
    const lower = { [one]: manifest('1.0.0'), [two]: manifest('1.0.0') }
    assert.deepEqual(await found(lower, circle), [`bad 1.0.0 ${one}`, `bad 1.0.0 ${two}`])
  })

  test('an opaque root hides nothing: overlay file systems do not honour it', async () => {
    assert.deepEqual(await found({ [path]: manifest('1.0.0') }, { '.wh..wh..opq': '' }), [
      `bad 1.0.0 ${path}`,
    ])
  })

  test('a tar of the oldest form, without a magic, is read', async () => {
    const old = Buffer.from(bad)
    old.fill(0, 257, 265)
    const sum = old.subarray(0, 512).reduce((all, byte, at) => all + (at >= 148 && at < 156 ? 32 : byte), 0)
    old.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    assert.deepEqual(await found(Buffer.concat([old, end])), [`bad 1.0.0 ${path}`])
  })
})

describe('a layer is refused', () => {
  const refused = (...parts: Buffer[]): Promise<void> =>
    assert.rejects(read(...parts), { code: 'SCAN_FAILED' })

  test('for sparse files, of which nothing can be said', async () => {
    await refused(block({ name: 'sparse', type: 'S', content: 'x' }), bad, end)
    await refused(pax('x', 'GNU.sparse.name', 'elsewhere'), bad, end)
  })

  test('for pax records that are none, or a name with a zero byte in it', async () => {
    await refused(block({ name: 'pax', type: 'x', content: '99 path=x\n' }), bad, end)
    await refused(block({ name: 'pax', type: 'x', content: '10 no value' }), bad, end)
    await refused(pax('x', 'path', 'a\0b'), bad, end)
    await refused(pax('x', 'size', '-1'), bad, end)
  })

  test('when it is cut off, or its headers are damaged', async () => {
    await refused(bad.subarray(0, 520))
    await refused(bad.subarray(0, 300))
    await refused(Buffer.alloc(512), bad, end)
    await refused(Buffer.alloc(1024, 1))
  })
})

describe('packed layers', () => {
  const tar = Buffer.concat([bad, end])
  const [left, right] = [tar.subarray(0, 700), tar.subarray(700)]
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
  const packed = {
    'several members of gzip': Buffer.concat([gzipSync(left), gzipSync(right)]),
    'several frames of zstd': Buffer.concat([zstdCompressSync(left), zstdCompressSync(right)]),
    'frames of zstd between skippable ones': Buffer.concat([
      skippable,
      zstdCompressSync(left),
      skippable,
      zstdCompressSync(right),
      skippable,
    ]),
  }
  for (const [what, bytes] of Object.entries(packed)) {
    test(`${what} give the same as the plain tar, however they are cut into chunks`, async () => {
      const plain = await read(tar)
      for (const size of [1, 7, bytes.length]) {
        const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
          bytes.subarray(index * size, (index + 1) * size),
        )
        assert.deepEqual(await readLayer(Readable.from(chunks), small), plain)
      }
    })
  }

  test('zstd with something else behind it, or cut off, is refused', async () => {
    const whole = zstdCompressSync(tar)
    for (const bytes of [Buffer.concat([whole, bad]), whole.subarray(0, -5), skippable.subarray(0, 9)]) {
      await assert.rejects(read(bytes), { code: 'SCAN_FAILED' })
    }
  })

  test('whatever bytes they have, reading them ends with a result or a failure', async () => {
    const all = Object.values(packed)
    const change = fc.tuple(
      fc.nat(all.length - 1),
      fc.nat(400),
      fc.uint8Array({ minLength: 1, maxLength: 8 }),
    )
    await fc.assert(
      fc.asyncProperty(change, async ([which, at, bytes]) => {
        const changed = Buffer.from(all[which] as Buffer)
        changed.set(bytes.subarray(0, changed.length - (at % changed.length)), at % changed.length)
        await read(changed).catch((error: unknown) => {
          assert.equal((error as { code?: string }).code, 'SCAN_FAILED', String(error))
        })
      }),
      { numRuns: 200 },
    )
  })
})

test('a file list of a package that is not installed hides no language package', async () => {
  const list = `/.\n/${path}\n`
  const status = 'Package: other\nStatus: install ok installed\nVersion: 1\n'
  const layer = { [path]: manifest('1.0.0'), 'var/lib/dpkg/status': status }
  const both = [`bad 1.0.0 ${path}`, 'other 1 var/lib/dpkg/status']
  assert.deepEqual(await found({ ...layer, 'var/lib/dpkg/info/fake.list': list }), both)
  assert.deepEqual(await found({ ...layer, 'var/lib/dpkg/info/other:amd64.list': list }), [both[1]])
})

describe('a package database that cannot be looked at leaves an image undetermined', () => {
  const status = 'Package: bad\nStatus: install ok installed\nVersion: 1\n'
  const unread = async (...layers: readonly LayerFiles[]): Promise<string[]> =>
    (await stack(...layers)).unknowns.filter(({ isDatabase }) => isDatabase).map(({ path }) => path)

  test('because it is too large, or holds nothing', async () => {
    assert.deepEqual(await unread({ 'var/lib/dpkg/status': 'nothing' }), ['var/lib/dpkg/status'])
    assert.deepEqual(await unread({ 'var/lib/dpkg/status': status }), [])
    assert.deepEqual(await unread({ 'app/node_modules/a/package.json': '{' }), [], 'one file is no database')
  })

  test('because it lies behind a link to elsewhere', async () => {
    for (const [name, linkname] of [
      ['var/lib/dpkg/status', '/opt/status'],
      ['var/lib/dpkg', '../../opt'],
      ['var', 'opt/var'],
    ] as const) {
      assert.deepEqual(await unread({ [name]: { type: 'symlink', linkname } }), [name])
      assert.deepEqual(await unread({ [name]: { type: 'symlink', linkname } }, { '.wh.var': '' }), [])
    }
    const usual: LayerFiles = {
      lib: { type: 'symlink', linkname: 'usr/lib' },
      'var/lib/rpm': { type: 'symlink', linkname: '../../usr/lib/sysimage/rpm' },
      'var/run': { type: 'symlink', linkname: '/run' },
    }
    assert.deepEqual(await unread(usual), [])
  })

  test('because a later layer took it away, and brought no other', async () => {
    const lower = { 'var/lib/dpkg/status': status }
    assert.deepEqual(await unread(lower, { 'var/lib/.wh.dpkg': '' }), ['var/lib/dpkg/status'])
    assert.deepEqual(await unread(lower, { 'var/lib/dpkg/status': status.replace('bad', 'good') }), [])
    const moved = { 'var/lib/.wh.dpkg': '', 'var/lib/dpkg/status.d/bad': status }
    assert.deepEqual(await unread(lower, moved), [])
  })
})

test('a package with a name or version of absurd length is an unknown, and no more', async () => {
  const { packages, unknowns } = await stack({
    'var/lib/dpkg/status': `Package: long\nStatus: install ok installed\nVersion: ${'1'.repeat(5_000)}\n`,
  })
  assert.deepEqual([packages.length, unknowns.length], [0, 1])
})

test('many opaque folders over many files are applied in time', async () => {
  const files = new Map(
    Array.from({ length: 20_000 }, (_, index) => [`a/${index}/x`, { unknown: 'it is broken' }] as const),
  )
  const opaque = Array.from({ length: 20_000 }, (_, index) => `b/${index}/`)
  const none = { diffId: '', files: new Map(), removed: [], opaque: [], links: [] }
  const before = performance.now()
  const { unknowns } = stackLayers(
    [],
    [
      { ...none, files },
      { ...none, opaque },
    ],
  )
  assert.equal(unknowns.length, 20_000)
  assert.ok(performance.now() - before < 1_500)
})
