import assert from 'node:assert/strict'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { WASI } from 'node:wasi'
import { loadedModule } from '../../../test/fixtures/wasm-modules.ts'
import { keepInside } from './keep-inside.mjs'

const notCapable = 76
const all = (1n << 28n) - 1n
const reading = 1n << 1n
const writing = 1n << 6n
const isFolder = 2
const create = 1
const follow = 1
const outAt = 60_000

let place: string
let root: string
let outside: string

beforeEach(() => {
  place = realpathSync(mkdtempSync(join(tmpdir(), 'pratique-inside-')))
  root = join(place, 'root')
  outside = join(place, 'outside')
  mkdirSync(join(root, 'sub/deep'), { recursive: true })
  mkdirSync(outside)
  writeFileSync(join(outside, 'secret'), 'secret')
  writeFileSync(join(root, 'sub/note'), 'note')
  symlinkSync('../outside', join(root, 'out'))
  symlinkSync(outside, join(root, 'far'))
  symlinkSync('../outside/secret', join(root, 'file'))
  symlinkSync('sub/note', join(root, 'kept'))
  symlinkSync('sub', join(root, 'folder'))
  symlinkSync('/sub/note', join(root, 'sub/absolute'))
  symlinkSync('../deep/../note', join(root, 'sub/deep/up'))
  symlinkSync('round', join(root, 'round'))
})
afterEach(() => rmSync(place, { recursive: true }))

interface Opening {
  readonly fd: number
  readonly flags: number
  readonly making: number
  readonly base: bigint
  readonly inheriting: bigint
}

/** The imports of a module that has started, to be called by hand. */
async function start({ seen = '/', isReadOnly = false, kept = true } = {}) {
  const wasi = new WASI({ version: 'preview1', preopens: { [seen]: root, '/other': join(root, 'sub') } })
  const instance = await loadedModule()
  wasi.start(instance)
  const { buffer } = instance.exports.memory
  const own = wasi.wasiImport as Record<string, (...values: unknown[]) => number>
  const folders = [
    { path: root, isRoot: seen === '/', isReadOnly },
    { path: join(root, 'sub'), isRoot: false, isReadOnly },
  ]
  const imports = kept ? keepInside(own, folders, () => buffer) : own
  const memory = Buffer.from(buffer)
  const text = (value: string, at = 100): [number, number] => [at, memory.write(value, at)]
  const call = (name: string, ...values: unknown[]): number => imports[name]?.(...values) as number
  return {
    memory,
    text,
    call,
    open: (
      path: string,
      { fd = 3, flags = follow, making = 0, base = reading, inheriting }: Partial<Opening> = {},
    ) => call('path_open', fd, flags, ...text(path), making, base, inheriting ?? base, 0, outAt),
    opened: () => memory.readUInt32LE(outAt),
    read: (fd: number): string => {
      memory.writeUInt32LE(2000, 1000)
      memory.writeUInt32LE(64, 1004)
      assert.equal(call('fd_read', fd, 1000, 1, 1008), 0)
      return memory.toString('utf8', 2000, 2000 + memory.readUInt32LE(1008))
    },
  }
}

type Started = Awaited<ReturnType<typeof start>>

test('Node itself follows a link in the middle of a path, which is why its imports are not given to modules', async () => {
  const module = await start({ kept: false })
  assert.equal(module.open('out/secret'), 0)
  assert.equal(module.read(module.opened()), 'secret')
})

for (const [path, expected] of [
  ['sub/note', 'note'],
  ['./sub/../sub//note', 'note'],
  ['kept', 'note'],
  ['folder/note', 'note'],
  ['sub/absolute', 'note'],
  ['sub/deep/up', 'note'],
] as const) {
  test(`${path} is read, as it stays inside`, async () => {
    const module = await start()
    assert.equal(module.open(path), 0)
    assert.equal(module.read(module.opened()), expected)
    assert.equal(module.memory.toString('utf8', 100, 100 + path.length), path)
  })
}

for (const [path, expected] of [
  ['out/secret', notCapable],
  ['file', notCapable],
  ['out', notCapable],
  ['out/..', notCapable],
  ['../outside/secret', notCapable],
  ['sub/../../outside/secret', notCapable],
  ['/sub/note', notCapable],
  // Places in the image, where there is nothing.
  ['far/secret', 44],
  ['far', 44],
  ['round', 32],
  ['round/x', 32],
  ['', 44],
  ['missing/note', 44],
  ['sub/note/x', 54],
  ['a\0b', 28],
  ['x'.repeat(5000), 37],
] as const) {
  test(`opening ${JSON.stringify(path.slice(0, 40))} is answered with ${expected}`, async () => {
    const module = await start()
    assert.equal(module.open(path), expected)
    assert.equal(module.open(path, { making: create, base: writing }), expected)
    assert.deepEqual(readdirSync(outside), ['secret'])
  })
}

test('an absolute link of a folder that is not the root leads nowhere', async () => {
  const module = await start({ seen: '/data' })
  assert.equal(module.open('far/secret'), notCapable)
  assert.equal(module.open('sub/absolute'), notCapable)
  assert.equal(module.open('absolute', { fd: 4 }), notCapable)
})

const calls: readonly [string, (module: Started, path: string) => number][] = [
  ['path_create_directory', ({ call, text }, path) => call('path_create_directory', 3, ...text(path))],
  ['path_remove_directory', ({ call, text }, path) => call('path_remove_directory', 3, ...text(path))],
  ['path_unlink_file', ({ call, text }, path) => call('path_unlink_file', 3, ...text(path))],
  ['path_filestat_get', ({ call, text }, path) => call('path_filestat_get', 3, 1, ...text(path), outAt)],
  [
    'path_filestat_set_times',
    ({ call, text }, path) => call('path_filestat_set_times', 3, 1, ...text(path), 1n, 1n, 5),
  ],
  [
    'path_readlink',
    ({ call, text }, path) => call('path_readlink', 3, ...text(path), outAt, 64, outAt + 100),
  ],
  [
    'path_link, from',
    ({ call, text }, path) => call('path_link', 3, 0, ...text(path), 3, ...text('got', 9000)),
  ],
  [
    'path_link, to',
    ({ call, text }, path) => call('path_link', 3, 0, ...text('sub/note'), 3, ...text(path, 9000)),
  ],
  [
    'path_rename, from',
    ({ call, text }, path) => call('path_rename', 3, ...text(path), 3, ...text('got', 9000)),
  ],
  [
    'path_rename, to',
    ({ call, text }, path) => call('path_rename', 3, ...text('sub/note'), 3, ...text(path, 9000)),
  ],
  ['path_symlink', ({ call, text }, path) => call('path_symlink', ...text('x'), 3, ...text(path, 9000))],
]
for (const [name, ask] of calls) {
  test(`${name} reaches nothing outside`, async () => {
    const module = await start()
    for (const path of ['out/secret', 'out/new', '../outside/secret']) {
      assert.equal(ask(module, path), notCapable, path)
    }
    assert.equal(ask(module, 'far/secret'), 44)
    assert.deepEqual(readdirSync(outside), ['secret'])
    assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'secret')
    assert.ok(lstatSync(join(outside, 'secret')).mtimeMs > 1000)
  })
}

describe('inside of the folder', () => {
  test('folders and files are made, renamed, linked and removed', async () => {
    const { call, text, open } = await start()
    assert.equal(call('path_create_directory', 3, ...text('folder/new')), 0)
    assert.equal(open('folder/new/made', { making: create, base: writing }), 0)
    assert.equal(call('path_rename', 3, ...text('sub/new/made'), 3, ...text('moved', 9000)), 0)
    assert.equal(call('path_link', 3, 0, ...text('moved'), 4, ...text('linked', 9000)), 0)
    assert.equal(call('path_symlink', ...text('moved'), 3, ...text('symbolic', 9000)), 0)
    assert.equal(call('path_remove_directory', 3, ...text('sub/new')), 0)
    assert.equal(call('path_unlink_file', 3, ...text('moved')), 0)
    assert.ok(existsSync(join(root, 'sub/linked')) && !existsSync(join(root, 'moved')))
    assert.equal(lstatSync(join(root, 'symbolic')).isSymbolicLink(), true)
  })

  test('a link is described, read, renamed and removed as what it is', async () => {
    const { call, text, memory } = await start()
    assert.equal(call('path_filestat_get', 3, 0, ...text('file'), outAt), 0)
    assert.equal(memory[outAt + 16], 7)
    assert.equal(memory.readBigUInt64LE(outAt + 8), lstatSync(join(root, 'file'), { bigint: true }).ino)
    assert.equal(call('path_filestat_get', 3, 1, ...text('kept'), outAt), 0)
    assert.deepEqual([memory[outAt + 16], memory.readBigUInt64LE(outAt + 32)], [4, 4n])
    assert.equal(call('path_readlink', 3, ...text('file'), outAt, 64, 50_000), 0)
    assert.match(memory.toString('utf8', outAt, outAt + 20), /^\.\.\/outside\/secret/)
    assert.equal(call('path_rename', 3, ...text('file'), 3, ...text('other', 9000)), 0)
    assert.equal(call('path_unlink_file', 3, ...text('other')), 0)
    assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'secret')
  })

  test('a link that is not to be followed is not opened, and gets no times and no hard link', async () => {
    const { call, text, open } = await start()
    assert.equal(open('kept', { flags: 0 }), 32)
    assert.equal(call('path_filestat_set_times', 3, 0, ...text('file'), 1n, 1n, 5), 58)
    assert.equal(call('path_link', 3, 0, ...text('file'), 3, ...text('got', 9000)), 58)
  })

  test('a link that the module makes leads to no place of the machine', async () => {
    const { call, text, open } = await start()
    assert.notEqual(call('path_symlink', ...text(outside), 3, ...text('mine', 9000)), 0)
    assert.equal(call('path_symlink', ...text('../outside'), 3, ...text('mine', 9000)), 0)
    assert.equal(open('mine/secret'), notCapable)
  })
})

describe('a folder that was opened', () => {
  const folder = { making: isFolder, base: reading | (1n << 13n) | (1n << 14n), inheriting: all }

  test('is the end of what is seen from it', async () => {
    const { open, opened, read } = await start()
    assert.equal(open('folder', folder), 0)
    const fd = opened()
    assert.equal(open('note', { fd }), 0)
    assert.equal(read(opened()), 'note')
    for (const path of ['../kept', '..', 'absolute']) assert.equal(open(path, { fd }), notCapable, path)
  })

  test('is not a link that took its name', async () => {
    const { call, text, open, opened } = await start()
    assert.equal(open('sub/deep', folder), 0)
    const fd = opened()
    assert.equal(call('path_rename', 3, ...text('sub/deep'), 3, ...text('away', 9000)), 0)
    assert.equal(call('path_rename', 3, ...text('out'), 3, ...text('sub/deep', 9000)), 0)
    symlinkSync(outside, join(root, 'direct'))
    renameSync(join(root, 'direct'), join(root, 'sub/deep'))
    assert.equal(open('secret', { fd }), notCapable)
    assert.equal(call('fd_readdir', fd, 2000, 1000, 0n, 1500), notCapable)
  })

  test('is known by its number for as long as that is its own', async () => {
    const { call, open, opened } = await start()
    assert.equal(open('sub', folder), 0)
    const first = opened()
    assert.equal(open('sub/deep', folder), 0)
    const second = opened()
    assert.equal(call('fd_renumber', first, second), 0)
    assert.equal(open('note', { fd: second }), 0)
    assert.equal(open('note', { fd: first }), 8)
    assert.equal(call('fd_close', second), 0)
    assert.equal(open('note', { fd: second }), 8)
    assert.equal(open('sub/note'), 0)
    assert.equal(open('x', { fd: opened() }), 8)
    assert.equal(open('x', { fd: 1 }), 8)
  })
})

test('nothing is changed in a folder that is only read', async () => {
  const module = await start({ isReadOnly: true })
  assert.equal(module.open('sub/note', { base: reading | writing }), 69)
  assert.equal(module.open('sub/new', { making: create }), 69)
  assert.equal(module.open('sub/note', { making: 8 }), 69)
  for (const [name, ask] of calls) {
    if (name === 'path_filestat_get' || name === 'path_readlink') continue
    assert.equal(ask(module, 'sub/note'), 69, name)
  }
  assert.equal(module.call('fd_filestat_set_times', 3, 1n, 1n, 5), 69)
  assert.equal(module.open('sub', { making: isFolder, base: reading | (1n << 13n), inheriting: all }), 0)
  const fd = module.opened()
  assert.equal(module.open('note', { fd, base: writing }), 69)
  assert.equal(module.open('note', { fd, base: reading | (1n << 23n), inheriting: all }), 0)
  assert.equal(module.read(module.opened()), 'note')
  assert.equal(module.call('fd_filestat_set_times', module.opened(), 1n, 1n, 5), notCapable)
})

test('an answer is written where the module wants it, wherever that is', async () => {
  const module = await start()
  for (const at of [0, 4, 4090, 65_532]) {
    const values = [3, follow, ...module.text('kept', 200), 0, reading, reading, 0, at]
    assert.equal(module.call('path_open', ...values), 0)
    assert.equal(module.read(module.memory.readUInt32LE(at)), 'note')
  }
  assert.equal(module.call('path_open', 3, follow, 65_530, 100, 0, reading, reading, 0, 0), 21)
})
