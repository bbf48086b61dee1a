import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { Mount } from '../cri/cri-types.ts'
import { openFolders } from './open-folders.ts'

let place: string
let data: string
let root: string

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'pratique-folders-'))
  data = join(place, 'data')
  root = join(place, 'root')
  for (const folder of [data, root]) mkdirSync(folder)
  writeFileSync(join(data, 'note'), 'note')
})
afterEach(() => rmSync(place, { recursive: true }))

const open = (
  mounts: readonly (readonly [at: string, path: string, access?: 'read'])[],
  of?: string,
): Promise<Record<string, string>> =>
  openFolders(
    mounts.map(
      ([containerPath, hostPath, access]) => ({ containerPath, hostPath, readonly: !!access }) as Mount,
    ),
    of,
    join(place, 'bundle', randomUUID()),
  )

const refused = (message: RegExp) => ({ code: 'FAILED_PRECONDITION', message })

test('copies a folder with its links as they are, without sockets and pipes', async () => {
  mkdirSync(join(data, 'a/b'), { recursive: true })
  writeFileSync(join(data, 'a/b/run'), 'x', { mode: 0o755 })
  writeFileSync(join(data, 'empty'), '')
  symlinkSync('/etc/passwd', join(data, 'far'))
  symlinkSync('nowhere', join(data, 'dangling'))
  symlinkSync('..', join(data, 'a/up'))
  execFileSync('mkfifo', [join(data, 'pipe')])
  const { '/data': copy = '' } = await open([['/data/', data, 'read']])
  assert.ok(copy.startsWith(join(place, 'bundle')))
  assert.equal(readFileSync(join(copy, 'a/b/run'), 'utf8'), 'x')
  assert.equal(readFileSync(join(copy, 'empty'), 'utf8'), '')
  const links = ['far', 'dangling', 'a/up'].map((name) => readlinkSync(join(copy, name)))
  assert.deepEqual(links, ['/etc/passwd', 'nowhere', '..'])
  assert.ok(!existsSync(join(copy, 'pipe')))
})

test('stops copying where it is too much', async () => {
  const deep = join(data, ...Array.from({ length: 35 }, (_, index) => `d${index}`))
  mkdirSync(deep, { recursive: true })
  for (let at = deep; at !== data; at = join(at, '..')) {
    symlinkSync('..', join(at, 'one'))
    symlinkSync('..', join(at, 'two'))
  }
  assert.ok(existsSync((await open([['/data', data, 'read']]))['/data'] ?? ''))
  writeFileSync(join(data, 'huge'), '')
  truncateSync(join(data, 'huge'), 2 ** 40)
  await assert.rejects(
    open([['/other', data, 'read']]),
    refused(/too much to be copied, at .*huge; mount less/),
  )
  rmSync(join(data, 'huge'))
  mkdirSync(join(data, 'many'))
  execFileSync('sh', ['-c', 'seq 20001 | xargs touch'], { cwd: join(data, 'many') })
  await assert.rejects(open([['/more', data, 'read']]), refused(/too much to be copied, at .*many/))
})

test('puts a file into no folder of the node', async () => {
  const file = join(place, 'file')
  writeFileSync(file, 'mounted')
  for (const mounts of [
    [
      ['/data', data],
      ['/data/note', file],
    ],
    [
      ['/data/note', file],
      ['/data', data],
    ],
  ] as const) {
    await assert.rejects(open(mounts), refused(/\/data\/note, as it would .* in a folder of its own/))
  }
  assert.equal(readFileSync(join(data, 'note'), 'utf8'), 'note')
})

test('puts a file into what is the own of the container, in the place of what was there', async () => {
  const file = join(place, 'file')
  writeFileSync(file, 'mounted')
  writeFileSync(join(place, 'secret'), 'secret')
  symlinkSync('../secret', join(root, 'note'))
  mkdirSync(join(root, 'folder'))
  const mounts = [
    ['/data/note', file],
    ['/note', file],
    ['/alone/note', file],
    ['/alone/other', file],
    ['/data', data, 'read'],
  ] as const
  const folders = await open(mounts, root)
  for (const [seen, name] of [
    ['/', 'note'],
    ['/data', 'note'],
    ['/alone', 'note'],
    ['/alone', 'other'],
  ] as const) {
    assert.equal(readFileSync(join(folders[seen] ?? '', name), 'utf8'), 'mounted')
  }
  assert.equal(readFileSync(join(place, 'secret'), 'utf8'), 'secret')
  assert.equal(readFileSync(join(data, 'note'), 'utf8'), 'note')
  await assert.rejects(open([['/folder', file]], root), refused(/is a file, and \/folder is a folder/))
})

test('says of what is not there, or cannot be read, what it is', async () => {
  symlinkSync('nowhere', join(place, 'dangling'))
  for (const path of ['/nowhere', join(place, 'dangling')]) {
    await assert.rejects(open([['/x', path]]), refused(new RegExp(`no ${path} on this node to mount at /x`)))
  }
  await assert.rejects(open([['/x', join(data, 'note/x')]]), refused(/note\/x cannot be read .*ENOTDIR/))
})
