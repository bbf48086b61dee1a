import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { lockFolder } from './lock-folder.ts'

test('a folder is locked for one, until it is released', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pratique-lock-'))
  try {
    const lock = lockFolder(folder)
    assert.throws(() => lockFolder(folder), /another server serves the data folder .*PRATIQUE_DATA_DIR/)
    lock.release()
    lockFolder(folder).release()
  } finally {
    rmSync(folder, { recursive: true })
  }
})
