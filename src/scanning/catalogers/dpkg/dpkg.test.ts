import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { contentOf } from '../../layers/file-content.ts'
import type { FileFacts } from '../types.ts'
import { dpkg, dpkgFileLists } from './dpkg.ts'

const fixture = (name: string): Buffer => readFileSync(join(import.meta.dirname, 'testdata', name))
const status = fixture('status')
const read = (bytes: Buffer): FileFacts => dpkg.read('var/lib/dpkg/status', contentOf(bytes)) as FileFacts

test('a real status file gives packages with their source and its version', () => {
  const found = new Map(read(status).packages?.map((one) => [one.name, one]))
  assert.equal(found.size, 8)
  assert.equal(found.get('libssl3')?.sourceName, 'openssl')
  assert.equal(found.get('perl-base')?.sourceName, 'perl')
  assert.equal(found.get('libgcc-s1')?.sourceName, 'gcc-12')
  // bash was built again without a new source: its source has the version without +b1.
  assert.match(found.get('bash')?.version ?? '', /\+b\d+$/)
  assert.doesNotMatch(found.get('bash')?.sourceVersion ?? '', /\+b\d+$/)
})

test('a package that is not there, or only by its settings, is none', () => {
  const entry = (state: string): Buffer =>
    Buffer.from(`Package: gone\nStatus: deinstall ok ${state}\nVersion: 1\n`)
  assert.deepEqual(read(entry('config-files')).packages, [])
  assert.deepEqual(read(entry('not-installed')).packages, [])
  assert.equal(read(entry('half-installed')).packages?.length, 1)
})

test('a list of files names what its package owns', () => {
  const { ownedFiles } = dpkgFileLists.read(
    'var/lib/dpkg/info/libssl3:amd64.list',
    contentOf(fixture('libssl3.list')),
  ) as FileFacts
  assert.ok(ownedFiles?.includes('usr/lib/x86_64-linux-gnu/libssl.so.3'))
})

test('whatever is cut off or turned over, reading ends with an answer', () => {
  fc.assert(
    fc.property(fc.nat(status.length), fc.uint8Array({ maxLength: 40 }), (at, noise) => {
      const broken = Buffer.concat([status.subarray(0, at), noise, status.subarray(at + noise.length)])
      for (const { name, version } of read(broken).packages ?? []) assert.ok(name !== '' && version !== '')
    }),
  )
})
