import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { contentOf } from '../../layers/file-content.ts'
import type { FileFacts } from '../types.ts'
import { osRelease } from './os-release.ts'

const read = (text: string | Buffer): FileFacts =>
  osRelease.read('etc/os-release', contentOf(Buffer.from(text as string))) as FileFacts

test('a real file names the distribution, its release and what people call it', () => {
  const { operatingSystem } = read(readFileSync(join(import.meta.dirname, 'testdata/debian-12')))
  assert.deepEqual(operatingSystem, {
    id: 'debian',
    versionId: '12',
    prettyName: 'Debian GNU/Linux 12 (bookworm)',
  })
})

test('quotes of either kind are no part of a value, and a rolling release has no version', () => {
  assert.deepEqual(read('ID=\'wolfi\'\nPRETTY_NAME="Wolfi"\n').operatingSystem, {
    id: 'wolfi',
    versionId: '',
    prettyName: 'Wolfi',
  })
})

test('a file that names no distribution is unknown', () => {
  assert.match(read('NAME=Something\n').unknown ?? '', /no ID/)
})
