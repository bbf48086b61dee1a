import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { makeTar, type LayerFiles } from '../../../test/fixtures/build-image.ts'
import { makeElf } from '../../../test/fixtures/make-executables.ts'
import { Failure } from '../../kernel/failure.ts'
import type { Inventory } from '../types.ts'
import { normalisePath } from './normalise-path.ts'
import { readLayer, type LayerChanges } from './read-layer.ts'
import { stackLayers } from './stack-layers.ts'

const small = { entries: 1_000, uncompressedBytes: 10_000_000 }

const read = (bytes: Buffer): Promise<LayerChanges> => readLayer(Readable.from([bytes]), small)

async function layer(files: LayerFiles): Promise<LayerChanges> {
  return readLayer(Readable.from([await makeTar(files)]), small)
}

async function stack(...layers: LayerFiles[]): Promise<Inventory> {
  const changes = await Promise.all(layers.map(layer))
  const origins = changes.map(({ diffId }, index) => ({ digest: `layer ${index}`, diffId }))
  return stackLayers(origins, changes)
}

function found({ packages }: Inventory): string[] {
  return packages.map(({ type, name, version, layer: index }) => `${type} ${name} ${version} @${index}`)
}

const npm = (name: string, version: string): LayerFiles => ({
  [`app/node_modules/${name}/package.json`]: JSON.stringify({ name, version }),
})
const debian = (...packages: string[]): LayerFiles => ({
  'etc/os-release': 'ID=debian\nVERSION_ID="12"\n',
  'var/lib/dpkg/status': packages
    .map(
      (text) =>
        `Package: ${text.split(' ')[0]}\nStatus: install ok installed\nVersion: ${text.split(' ')[1]}\n`,
    )
    .join('\n'),
})

describe('whiteouts', () => {
  test('hide a file of a lower layer', async () => {
    const inventory = await stack(npm('gone', '1.0.0'), { 'app/node_modules/gone/.wh.package.json': '' })
    assert.deepEqual(found(inventory), [])
  })

  test('hide a folder with all that is in it', async () => {
    assert.deepEqual(found(await stack(npm('gone', '1.0.0'), { 'app/.wh.node_modules': '' })), [])
  })

  test('that are opaque hide lower layers, not their own', async () => {
    const upper = { 'app/.wh..wh..opq': '', ...npm('mine', '2.0.0') }
    assert.deepEqual(found(await stack(npm('lower', '1.0.0'), upper)), ['npm mine 2.0.0 @1'])
  })

  test('in the same layer as the file come first, whatever the order', async () => {
    const upper = { ...npm('kept', '2.0.0'), 'app/.wh.node_modules': '' }
    assert.deepEqual(found(await stack(npm('kept', '1.0.0'), upper)), ['npm kept 2.0.0 @1'])
  })
})

test('what a later layer took away is told, with the layers that brought and removed it', async () => {
  const inventory = await stack(npm('gone', '1.0.0'), npm('kept', '1.0.0'), {
    'app/node_modules/.wh.gone': '',
    ...npm('kept', '2.0.0'),
  })
  assert.deepEqual(found(inventory), ['npm kept 2.0.0 @2'])
  assert.deepEqual(
    inventory.removed?.map(
      ({ name, version, layer, removedIn }) => `${name} ${version} ${layer}-${removedIn}`,
    ),
    ['gone 1.0.0 0-2', 'kept 1.0.0 1-2'],
  )
})

test('what came back is not told as removed', async () => {
  const inventory = await stack(
    npm('back', '1.0.0'),
    { 'app/node_modules/.wh.back': '' },
    npm('back', '1.0.0'),
  )
  assert.deepEqual(found(inventory), ['npm back 1.0.0 @2'])
  assert.equal(inventory.removed, undefined)
})

test('a link in the place of a folder hides what lower layers have below it', async () => {
  const inventory = await stack(npm('gone', '1.0.0'), { app: { type: 'symlink', linkname: '/elsewhere' } })
  assert.deepEqual(found(inventory), [])
})

test('a hard link has what its target has, and counts once while the target is there', async () => {
  const [path, content] = Object.entries(npm('linked', '1.0.0'))[0] as [string, string]
  const again = (folder: string): LayerFiles => ({
    [`${folder}/node_modules/linked/package.json`]: { type: 'link', linkname: path },
  })
  const places = ({ packages }: Inventory): string[] =>
    packages.map(({ path: at, layer: index }) => `${at.split('/')[0]} @${index}`)
  const layers = [{ [path]: content, ...again('one') }, again('two')]
  assert.deepEqual(places(await stack(...layers)), ['app @0'])
  assert.deepEqual(places(await stack(...layers, { '.wh.app': '' })), ['one @0', 'two @1'])
  assert.deepEqual(places(await stack(...layers, npm('linked', '2.0.0'))), ['app @2', 'one @0', 'two @1'])
})

test('what cannot be read of a file that the distribution owns is no unknown, unless it is its database', async () => {
  const broken = { 'usr/bin/tool': Buffer.from('\x7fELF', 'latin1') }
  const owner = { 'var/lib/dpkg/info/tool.list': '/.\n/usr/bin/tool\n' }
  const reasons = async (...layers: LayerFiles[]): Promise<string[]> =>
    (await stack(...layers)).unknowns.map(({ path }) => path)
  assert.deepEqual(await reasons({ ...debian('tool 1'), ...broken }), ['usr/bin/tool'])
  assert.deepEqual(await reasons({ ...debian('tool 1'), ...broken, ...owner }), [])
  assert.deepEqual(await reasons({ ...debian('other 1'), ...broken, ...owner }), ['usr/bin/tool'])
})

test('a file too large for memory is read from where it was put, and leaves nothing behind', async () => {
  const before = readdirSync(tmpdir()).filter((name) => name.startsWith('pratique-scan-'))
  const large = Buffer.concat([
    Buffer.from(debian('a 1')['var/lib/dpkg/status'] as string),
    Buffer.alloc(20e6, '\n'),
  ])
  const changes = await readLayer(Readable.from([await makeTar({ 'var/lib/dpkg/status': large })]), {
    entries: 10,
    uncompressedBytes: 100e6,
  })
  assert.equal(changes.files.get('var/lib/dpkg/status')?.packages?.length, 1)
  assert.deepEqual(
    readdirSync(tmpdir()).filter((name) => name.startsWith('pratique-scan-')),
    before,
  )
})

test('a package belongs to the first layer that had it ever since', async () => {
  const inventory = await stack(debian('base 1'), debian('base 1', 'added 1'), debian('base 2', 'added 1'))
  assert.deepEqual(found(inventory), ['deb base 2 @2', 'deb added 1 @1'])
})

test('language packages that the distribution owns are left to the distribution', async () => {
  const owned = 'usr/share/nodejs/node_modules/owned/package.json'
  const inventory = await stack({
    ...debian('node-owned 1'),
    'var/lib/dpkg/info/node-owned.list': `/.\n/usr\n/${owned}\n`,
    [owned]: '{"name":"owned","version":"1.0.0"}',
    ...npm('ours', '1.0.0'),
  })
  assert.deepEqual(found(inventory), ['npm ours 1.0.0 @0', 'deb node-owned 1 @0'])
})

test('a source package, status.d and removed packages are read as dpkg means them', async () => {
  const inventory = await stack({
    'etc/os-release': 'ID=debian\nVERSION_ID="12"\n',
    'var/lib/dpkg/status':
      'Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nSource: glibc (2.36-9)\nVersion: 2.36-9+b1\n\n' +
      'Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n',
    'var/lib/dpkg/status.d/tzdata': 'Package: tzdata\nVersion: 2024a\n',
    'var/lib/dpkg/status.d/tzdata.md5sums': 'Package: not\nVersion: 1\n',
  })
  assert.deepEqual(found(inventory), ['deb libc6 2.36-9+b1 @0', 'deb tzdata 2024a @0'])
  assert.equal(inventory.packages[0]?.sourceName, 'glibc')
  assert.equal(inventory.packages[0]?.sourceVersion, '2.36-9')
  assert.equal(inventory.packages[0]?.purl, 'pkg:deb/debian/libc6@2.36-9+b1?arch=amd64&distro=debian-12')
})

test('Alpine packages come with their origin, Python ones with their normal name', async () => {
  const inventory = await stack({
    'usr/lib/os-release': 'ID=alpine\nVERSION_ID=3.20.1\n',
    'lib/apk/db/installed': 'P:libcrypto3\nV:3.3.0-r2\nA:x86_64\no:openssl\nF:usr/lib\nR:libcrypto.so.3\n\n',
    'usr/lib/python3/site-packages/Jinja2-3.1.dist-info/METADATA':
      'Metadata-Version: 2.1\nName: Jinja2\nVersion: 3.1\n\nText',
  })
  assert.deepEqual(found(inventory), ['apk libcrypto3 3.3.0-r2 @0', 'pypi jinja2 3.1 @0'])
  assert.equal(inventory.packages[0]?.sourceName, 'openssl')
})

describe('a Go binary', () => {
  const text = (value: string): Buffer =>
    Buffer.concat([varint(Buffer.byteLength(value)), Buffer.from(value, 'latin1')])
  const info = (version: string, modules: string): Buffer => {
    const header = Buffer.alloc(32)
    Buffer.from('\xff Go buildinf:', 'latin1').copy(header)
    header[14] = 8
    header[15] = 2
    return Buffer.concat([header, text(version), text(`${'0'.repeat(16)}${modules}${'1'.repeat(16)}`)])
  }
  const modules =
    'path\texample.org/app\nmod\texample.org/app\t(devel)\t\ndep\tgolang.org/x/crypto\tv0.1.0\th1:x\ndep\told.example/a\tv1.0.0\n=>\tnew.example/a\tv1.2.0\th1:y\n'

  for (const offset of [4_096, 65_536 - 16, 65_536]) {
    test(`tells its modules and toolchain, also when its block begins behind byte ${offset}`, async () => {
      const binary = makeElf([
        { name: '.text', address: 0x400000, bytes: Buffer.alloc(offset) },
        { name: '.go.buildinfo', address: 0x500000, bytes: info('go1.22.1', modules), isData: true },
        { name: '.data', address: 0x600000, bytes: randomBytes(100_000), isData: true },
      ])
      const inventory = await stack({ 'usr/bin/app': { content: binary, mode: 0o755 } })
      assert.deepEqual(found(inventory), [
        'golang stdlib 1.22.1 @0',
        'golang golang.org/x/crypto v0.1.0 @0',
        'golang new.example/a v1.2.0 @0',
      ])
    })
  }

  test('is not taken for one when the magic lies beside its place', async () => {
    const binary = Buffer.concat([
      Buffer.from('\x7fELF', 'latin1'),
      Buffer.alloc(13),
      info('go1.22.1', modules),
    ])
    assert.deepEqual(found(await stack({ 'usr/bin/app': { content: binary, mode: 0o755 } })), [])
  })
})

describe('layers as they come', () => {
  test('gzip, zstd and plain give the same', async () => {
    const tar = await makeTar(npm('same', '1.0.0'))
    const plain = await read(tar)
    assert.deepEqual(await read(gzipSync(tar)), plain)
    assert.deepEqual(await read(zstdCompressSync(tar)), plain)
  })

  test('pitfall 21: a bomb is stopped by its size, and one of many entries by their number', async () => {
    const bomb = gzipSync(Buffer.alloc(20_000_000))
    await assert.rejects(readLayer(Readable.from([bomb]), small), /unpacks to more than/)
    const many = await makeTar(
      Object.fromEntries(Array.from({ length: 1_100 }, (_, index) => [`file-${index}`, ''])),
    )
    await assert.rejects(readLayer(Readable.from([many]), small), /more than 1000 entries/)
  })

  test('a broken one is a failed scan that says so', async () => {
    const cut = gzipSync(await makeTar(npm('cut', '1.0.0'))).subarray(0, 60)
    await assert.rejects(readLayer(Readable.from([cut]), small), {
      code: 'SCAN_FAILED',
    })
  })

  test('a file that cannot be read is an unknown, and the rest is read', async () => {
    const inventory = await stack({ ...npm('good', '1.0.0'), 'app/node_modules/bad/package.json': '{' })
    assert.deepEqual(found(inventory), ['npm good 1.0.0 @0'])
    assert.deepEqual(inventory.unknowns, [
      { path: 'app/node_modules/bad/package.json', reason: 'it is not JSON' },
    ])
  })

  test('pitfall 15: paths that climb out stay inside, others are made plain', () => {
    assert.equal(normalisePath('./a//b/../c/'), 'a/c')
    assert.equal(normalisePath('/etc/os-release'), 'etc/os-release')
    assert.equal(normalisePath('../etc/passwd'), 'etc/passwd')
    assert.equal(normalisePath('a/../../b'), 'b')
    for (const path of ['..', '', '/', 'a\0b', 'x'.repeat(5_000)]) {
      assert.equal(normalisePath(path), undefined, path.slice(0, 20))
    }
  })

  test('whatever bytes a layer has, reading it ends with a result or a failure', async () => {
    const tar = await makeTar({ ...debian('a 1'), ...npm('b', '1.0.0') })
    await fc.assert(
      fc.asyncProperty(
        fc.nat(tar.length - 1),
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        async (at, bytes) => {
          const changed = Buffer.from(tar)
          changed.set(bytes.subarray(0, tar.length - at), at)
          try {
            const change = await readLayer(Readable.from([changed]), small)
            stackLayers([{ digest: '', diffId: '' }], [change])
          } catch (error) {
            assert.ok(error instanceof Failure, String(error))
          }
        },
      ),
      { numRuns: 150 },
    )
  })
})

function varint(value: number): Buffer {
  const bytes: number[] = []
  let left = value
  while (left >= 0x80) {
    bytes.push((left % 128) | 0x80)
    left = Math.floor(left / 128)
  }
  return Buffer.from([...bytes, left])
}
