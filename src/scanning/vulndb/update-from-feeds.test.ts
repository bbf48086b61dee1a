import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { crc32, deflateRawSync } from 'node:zlib'
import { updateFromFeeds } from './update-from-feeds.ts'
import { VulnerabilityDatabases } from './open-vulnerability-database.ts'

const folder = mkdtempSync(join(tmpdir(), 'pratique-feeds-'))
const seen: IncomingMessage[] = []
const server = createServer((request, response) => {
  seen.push(request)
  if (request.url === '/npm/all.zip')
    response.end(zip({ 'A.json': advisory('A', '1.1.0'), 'B.json': 'not JSON' }))
  else if (request.url === '/Moved/all.zip') response.writeHead(302, { location: '/npm/all.zip' }).end()
  else response.writeHead(500).end()
})
let url = ''

before(async () => {
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
after(() => {
  server.close()
  rmSync(folder, { recursive: true })
})

test('a feed becomes the database in use; records that cannot be read are named', async () => {
  const report = await updateFromFeeds(folder, { url, ecosystems: ['npm'] })
  assert.deepEqual(report.sources, [{ name: 'npm', records: 1, skipped: 0 }])
  assert.equal(report.errorCount, 1)
  assert.match(report.errors[0] ?? '', /B\.json/)
  const databases = new VulnerabilityDatabases(folder)
  assert.deepEqual(databases.current()?.affecting('npm', 'left')[0]?.id, 'A')
  databases.close()
})

test('a feed that fails leaves the database as it is, and nothing behind', async () => {
  const databases = new VulnerabilityDatabases(folder)
  const version = databases.current()?.version
  await assert.rejects(updateFromFeeds(folder, { url, ecosystems: ['npm', 'Broken'] }), /answered 500/)
  assert.equal(databases.current()?.version, version)
  databases.close()
  assert.deepEqual(
    readdirSync(folder).filter((name) => /^(download|building|upload)/.test(name)),
    [],
  )
})

test('pitfall 13: a redirect is not followed', async () => {
  await assert.rejects(updateFromFeeds(folder, { url, ecosystems: ['Moved'] }), /cannot be reached/)
})

test('pitfall 14: no credential goes to a feed', () => {
  for (const { headers } of seen) assert.equal(headers.authorization, undefined)
})

function advisory(id: string, fixed: string): string {
  const ranges = [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed }] }]
  return JSON.stringify({
    id,
    modified: '2026-01-01T00:00:00Z',
    affected: [{ package: { ecosystem: 'npm', name: 'left' }, ranges }],
  })
}

/** A zip archive (PKWARE APPNOTE, sections 4.3.7 to 4.3.16) of small files. */
function zip(files: Readonly<Record<string, string>>): Buffer {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const [name, text] of Object.entries(files)) {
    const data = deflateRawSync(text)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(8, 4)
    common.writeUInt32LE(crc32(text), 10)
    common.writeUInt32LE(data.length, 14)
    common.writeUInt32LE(Buffer.byteLength(text), 18)
    common.writeUInt16LE(name.length, 22)
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), data])
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE(offset, 10)
    directory.push(
      Buffer.concat([Buffer.from('PK\x01\x02'), Buffer.from([20, 0]), common, tail, Buffer.from(name)]),
    )
    parts.push(local)
    offset += local.length
  }
  const index = Buffer.concat(directory)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(directory.length, 4)
  end.writeUInt16LE(directory.length, 6)
  end.writeUInt32LE(index.length, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...parts, index, Buffer.from('PK\x05\x06'), end])
}
