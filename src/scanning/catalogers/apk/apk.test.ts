import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { contentOf } from '../../layers/file-content.ts'
import type { FileFacts } from '../types.ts'
import { apk } from './apk.ts'

const installed = readFileSync(join(import.meta.dirname, 'testdata/installed'))
const read = (bytes: Buffer): FileFacts => apk.read('lib/apk/db/installed', contentOf(bytes)) as FileFacts

test('a real database gives packages with their origin, and the files that they own', () => {
  const { packages, ownedFiles } = read(installed)
  assert.deepEqual(
    packages?.map(({ name, version, sourceName }) => `${name} ${version} of ${sourceName}`),
    ['bash 5.2.21-r0 of bash', 'busybox-binsh 1.36.1-r15 of busybox', 'musl 1.2.4_git20230717-r4 of musl'],
  )
  assert.deepEqual(ownedFiles, ['bin/sh', 'lib/ld-musl-x86_64.so.1', 'lib/libc.musl-x86_64.so.1'])
})

test('a file that holds no package is unknown, not an image without packages', () => {
  assert.match(read(Buffer.from('something else\n')).unknown ?? '', /holds no package/)
  assert.deepEqual(read(Buffer.alloc(0)).packages, [])
})

test('whatever is cut off or turned over, reading ends with an answer', () => {
  fc.assert(
    fc.property(fc.nat(installed.length), fc.uint8Array({ maxLength: 40 }), (at, noise) => {
      const broken = Buffer.concat([installed.subarray(0, at), noise, installed.subarray(at + noise.length)])
      for (const { name, version } of read(broken).packages ?? []) assert.ok(name !== '' && version !== '')
    }),
  )
})
