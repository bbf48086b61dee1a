import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { deflateSync, gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { makeElf, makeFatMachO, makeMachO, makePe } from '../../../../test/fixtures/make-executables.ts'
import { contentOf } from '../../layers/file-content.ts'
import type { FileFacts } from '../types.ts'
import { rust } from './rust.ts'

const real = gunzipSync(readFileSync(join(import.meta.dirname, 'testdata/hello.elf.gz')))

function read(bytes: Buffer): FileFacts {
  return rust.read('usr/bin/program', contentOf(bytes)) as FileFacts
}

function found({ packages = [] }: FileFacts): string[] {
  return packages.map(({ type, name, version }) => `${type} ${name} ${version}`)
}

const listed = (packages: unknown): Buffer => deflateSync(JSON.stringify({ packages }))
const section = (bytes: Buffer) => [{ name: '.dep-v0', address: 0x401000, bytes }]
const one = listed([{ name: 'smallvec', version: '1.6.0', source: 'crates.io' }])

test('a program has the crates that run in it, and not those that only ran while it was built', () => {
  assert.ok(rust.wants('usr/bin/hello', real.subarray(0, 64)))
  assert.deepEqual(read(real), { packages: read(real).packages })
  assert.deepEqual(found(read(real)), ['cargo hello 0.1.0', 'cargo memchr 2.5.0', 'cargo time 0.1.43'])
})

test('the list is found in every format of executables', () => {
  const parts = section(one)
  const two = makeFatMachO([makeMachO(parts), makeMachO(section(listed([{ name: 'b', version: '1.0.0' }])))])
  assert.deepEqual(found(read(makeElf(parts, { addressBytes: 4, isBigEndian: true }))), [
    'cargo smallvec 1.6.0',
  ])
  assert.deepEqual(found(read(makePe(parts))), ['cargo smallvec 1.6.0'])
  assert.deepEqual(found(read(makeMachO(parts))), ['cargo smallvec 1.6.0'])
  assert.deepEqual(found(read(two)), ['cargo smallvec 1.6.0', 'cargo b 1.0.0'])
})

test('a program without the list tells nothing', () => {
  assert.deepEqual(
    read(makeElf([{ name: '.comment', address: 0, bytes: Buffer.from('rustc version 1.75.0') }])),
    {},
  )
})

test('a list that is none is reported', () => {
  const cases: Readonly<Record<string, Buffer>> = {
    'cannot be unpacked': Buffer.from('not packed'),
    'is not one': deflateSync('{"packages": {}}'),
  }
  for (const [reason, bytes] of Object.entries(cases)) {
    assert.deepEqual(read(makeElf(section(bytes))), { packages: [], unknown: `its list of crates ${reason}` })
  }
})

test('a list that unpacks to more than any program has is reported, and not unpacked', () => {
  const bomb = deflateSync(Buffer.alloc(64 * 1024 * 1024, ' '))
  const before = process.memoryUsage().arrayBuffers
  assert.match(read(makeElf(section(bomb))).unknown ?? '', /cannot be unpacked/)
  assert.ok(process.memoryUsage().arrayBuffers - before < 32 * 1024 * 1024)
})

test('entries that name no crate are passed over', () => {
  const entries = [
    null,
    7,
    {},
    { name: 'a' },
    { name: 'a b', version: '1' },
    { name: 'a', version: '1', kind: 'dev' },
  ]
  assert.deepEqual(read(makeElf(section(listed(entries)))), { packages: [] })
})

test('nothing is thrown where the program is damaged', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 4 }), (flips) => {
      const bytes = makeElf(section(one))
      for (const [at, value] of flips) bytes[at] = value
      read(bytes)
      read(bytes.subarray(0, 64 + (flips[0]?.[0] ?? 0)))
    }),
    { numRuns: 300 },
  )
})
