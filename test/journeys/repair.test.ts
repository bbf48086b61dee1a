import assert from 'node:assert/strict'
import { globSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startRegistry } from '../fixtures/registry-client.ts'

test('pitfall 22: a blob that was damaged or lost on disk is repaired by pushing it again', async () => {
  const registry = await startRegistry()
  try {
    const digest = await registry.pushBlob('repair/app', 'precious content')
    const blobs = join(registry.product.folder, 'data/blobs')
    const file = (): string =>
      join(blobs, globSync(`sha256/*/${digest.slice(7)}.*`, { cwd: blobs })[0] ?? 'none')
    const read = async (): Promise<string> =>
      (await registry.call('GET', `/v2/repair/app/blobs/${digest}`)).text()
    writeFileSync(file(), 'precious cont3nt')
    assert.equal(await read(), 'precious cont3nt')
    await registry.pushBlob('repair/app', 'precious content')
    assert.equal(await read(), 'precious content')
    rmSync(file())
    await registry.pushBlob('repair/app', 'precious content')
    assert.equal(await read(), 'precious content')
  } finally {
    await registry.product.stop()
  }
})
