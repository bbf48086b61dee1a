import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { crc32, deflateRawSync, gzipSync } from 'node:zlib'
import { updateFromFeeds } from './update-from-feeds.ts'
import { VulnerabilityDatabases } from './open-vulnerability-database.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** What the server answers, by address; a test puts in what it needs. */
const routes = new Map<string, Handler>()
const seen: IncomingMessage[] = []
const server = createServer((request, response) => {
  seen.push(request)
  const route = routes.get(request.url ?? '')
  if (route) route(request, response)
  else response.writeHead(500).end()
})
let url = ''
let folder = ''

before(async () => {
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
beforeEach(() => {
  if (folder !== '') rmSync(folder, { recursive: true })
  folder = mkdtempSync(join(tmpdir(), 'pratique-feeds-'))
  routes.clear()
  seen.length = 0
  routes.set(
    '/npm/all.zip',
    serve(zip({ 'A.json': advisory('npm', 'A', '1.1.0'), 'B.json': 'not JSON' }), '"1"'),
  )
})
after(() => {
  server.closeAllConnections()
  server.close()
  rmSync(folder, { recursive: true })
})

const update = (...ecosystems: string[]): ReturnType<typeof updateFromFeeds> =>
  updateFromFeeds(folder, { url, ecosystems })

test('a feed becomes the database in use; records that cannot be read are named', async () => {
  const report = await update('npm')
  assert.deepEqual(report.sources, [{ name: 'npm', records: 1, skipped: 0 }])
  assert.equal(report.errorCount, 1)
  assert.match(report.errors[0] ?? '', /B\.json/)
  assert.deepEqual(idsOf('npm'), ['A'])
})

test('a feed with nothing new is not fetched again, and is known to be checked', async () => {
  const first = await update('npm')
  const checked = read((database) => database?.sources[0]?.checkedAt)
  const second = await update('npm')
  assert.equal(seen.at(-1)?.headers['if-none-match'], '"1"')
  assert.deepEqual([second.version, second.unchanged], [first.version, ['npm']])
  const again = read((database) => database?.sources[0]?.checkedAt)
  assert.ok(checked !== undefined && again !== undefined && again >= checked)
  assert.deepEqual(idsOf('npm'), ['A'])
})

test('a feed without an ETag is asked by its date', async () => {
  const date = 'Wed, 20 May 2026 10:00:00 GMT'
  routes.set('/npm/all.zip', (request, response) => {
    if (request.headers['if-modified-since'] === date) response.writeHead(304).end()
    else response.setHeader('last-modified', date).end(zip({ 'A.json': advisory('npm', 'A', '1') }))
  })
  await update('npm')
  assert.deepEqual((await update('npm')).unchanged, ['npm'])
})

test('what changed replaces what was there, and the rest stays', async () => {
  routes.set('/PyPI/all.zip', serve(zip({ 'P.json': advisory('PyPI', 'P', '2') }), '"p"'))
  await update('npm', 'PyPI')
  routes.set('/npm/all.zip', serve(zip({ 'C.json': advisory('npm', 'C', '2') }), '"2"'))
  const report = await update('npm', 'PyPI')
  assert.deepEqual([report.sources.map(({ name }) => name), report.unchanged], [['npm'], ['PyPI']])
  assert.deepEqual([idsOf('npm'), idsOf('PyPI')], [['C'], ['P']])
})

describe('a feed that fails', () => {
  const failures: readonly [name: string, handler: Handler, message: RegExp][] = [
    ['answers 500', (_request, response) => response.writeHead(500).end(), /answered 500/],
    [
      'pitfall 13: redirects',
      (_request, response) => response.writeHead(302, { location: '/npm/all.zip' }).end(),
      /cannot be reached/,
    ],
    ['sends a damaged archive', (_request, response) => response.end('PK, not really'), /damaged/],
    [
      'sends an archive that is cut off',
      (_request, response) => response.end(zip({ 'A.json': advisory('npm', 'A', '1') }).subarray(0, 60)),
      /damaged/,
    ],
    [
      'sends other bytes than its digest says',
      (_request, response) =>
        response.setHeader('repr-digest', `sha-256=:${sha256('other')}:`).end(zip({ 'A.json': '{}' })),
      /sha256/,
    ],
    [
      'sends nothing that is an advisory',
      (_request, response) => response.end(zip({ 'A.json': '{}' })),
      /no advisory/,
    ],
  ]
  for (const [name, handler, message] of failures) {
    test(`and ${name}: the others are taken, and it is named`, async () => {
      routes.set('/Bad/all.zip', handler)
      const report = await update('npm', 'Bad')
      assert.deepEqual(idsOf('npm'), ['A'])
      assert.equal(report.failed?.[0]?.name, 'Bad')
      assert.match(report.failed?.[0]?.error ?? '', message)
      const bad = read((database) => database?.sources.find((source) => source.name === 'Bad'))
      assert.equal(bad?.records, 0)
      assert.match(bad?.error ?? '', message)
    })
  }

  test('keeps its old data and its old date', async () => {
    await update('npm')
    const before = read((database) => database?.sources[0])
    routes.set('/npm/all.zip', serve(Buffer.from('PK damaged'), '"2"'))
    const report = await update('npm')
    const later = read((database) => database?.sources[0])
    assert.match(report.failed?.[0]?.error ?? '', /damaged/)
    assert.deepEqual(idsOf('npm'), ['A'])
    assert.deepEqual([later?.builtAt, later?.checkedAt], [before?.builtAt, before?.checkedAt])
    assert.match(later?.error ?? '', /damaged/)
  })

  test('is fetched again afterwards, and its error goes', async () => {
    await update('npm')
    const npm = routes.get('/npm/all.zip') as Handler
    routes.delete('/npm/all.zip')
    await update('npm')
    routes.set('/npm/all.zip', npm)
    await update('npm')
    assert.equal(
      read((database) => database?.sources[0]?.error),
      undefined,
    )
  })

  test('alone, before there is any database, fails the update and leaves nothing behind', async () => {
    await assert.rejects(update('None'), /answered 500/)
    assert.equal(
      read((database) => database),
      undefined,
    )
    assert.deepEqual(
      readdirSync(folder).filter((name) => /^(building|upload)/.test(name)),
      [],
    )
  })
})

describe('a download that broke off', () => {
  const whole = zip({
    'A.json': advisory('npm', 'A', '1.1.0'),
    'pad.json': JSON.stringify({ id: 'pad', affected: [] }),
  })
  const half = Math.floor(whole.length / 2)
  const breakOff = (_request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(200, { etag: '"w"', 'content-length': whole.length })
    response.write(whole.subarray(0, half))
    // Only what the other side has stored can be continued.
    const timer = setInterval(() => {
      if (storedBytes() < half) return
      clearInterval(timer)
      response.destroy()
    }, 5)
  }

  test('is taken up again where the feed is still the same', async () => {
    routes.set('/npm/all.zip', breakOff)
    await assert.rejects(update('npm'), /cannot be reached/)
    routes.set('/npm/all.zip', (request, response) => {
      assert.equal(request.headers['range'], `bytes=${half}-`)
      assert.equal(request.headers['if-range'], '"w"')
      const range = `bytes ${half}-${whole.length - 1}/${whole.length}`
      response.writeHead(206, { etag: '"w"', 'content-range': range }).end(whole.subarray(half))
    })
    assert.equal((await update('npm')).errorCount, 0)
    assert.deepEqual(idsOf('npm'), ['A'])
  })

  test('begins anew where the feed changed', async () => {
    routes.set('/npm/all.zip', breakOff)
    await assert.rejects(update('npm'))
    routes.set('/npm/all.zip', serve(zip({ 'C.json': advisory('npm', 'C', '1') }), '"x"'))
    await update('npm')
    assert.deepEqual(idsOf('npm'), ['C'])
  })

  test('is not joined to a part that was not asked for', async () => {
    routes.set('/npm/all.zip', breakOff)
    await assert.rejects(update('npm'))
    routes.set('/npm/all.zip', (_request, response) =>
      response
        .writeHead(206, { etag: '"w"', 'content-range': `bytes 0-9/${whole.length}` })
        .end(whole.subarray(0, 10)),
    )
    await assert.rejects(update('npm'), /another part/)
  })
})

test('every source that is switched on is asked at its own address', async () => {
  const tracker = { bash: { 'CVE-2026-1': { releases: { bookworm: { status: 'open' } } } } }
  const epss =
    '#model_version:v1,score_date:2026-05-18T00:00:00Z\ncve,epss,percentile\nCVE-2026-1000,0.5,0.9\n'
  const secdb = (branch: string): object => ({
    distroversion: branch,
    packages: [{ pkg: { name: 'musl', secfixes: { '1.2-r1': ['CVE-2026-1000'] } } }],
  })
  routes.set('/tracker', serve(Buffer.from(JSON.stringify(tracker))))
  routes.set('/epss.csv.gz', serve(gzipSync(epss)))
  routes.set(
    '/kev',
    serve(
      Buffer.from(
        JSON.stringify({
          catalogVersion: '1',
          vulnerabilities: [{ cveID: 'CVE-2026-1000', dateAdded: '2026-05-01' }],
        }),
      ),
    ),
  )
  for (const repository of ['main', 'community'])
    routes.set(`/secdb/v3.22/${repository}.json`, serve(Buffer.from(JSON.stringify(secdb('v3.22')))))
  const report = await updateFromFeeds(folder, {
    url,
    ecosystems: ['npm'],
    sources: ['debian-tracker', 'alpine-secdb', 'kev', 'epss'],
    urls: [
      `debian-tracker=${url}/tracker`,
      `epss=${url}/epss.csv.gz`,
      `kev=${url}/kev`,
      `alpine-secdb=${url}/secdb/`,
    ],
    alpineBranches: ['v3.22'],
  })
  assert.deepEqual(report.sources.map(({ name }) => name).toSorted(), [
    'alpine-v3.22-community',
    'alpine-v3.22-main',
    'debian-tracker',
    'epss',
    'kev',
  ])
  assert.deepEqual(
    read((database) => database?.knowledgeOf('CVE-2026-1000')),
    {
      exploitedSince: '2026-05-01',
      epss: { probability: 0.5, percentile: 0.9 },
    },
  )
  assert.equal(
    seen.some((request) => request.url?.includes('all.zip')),
    false,
  )
})

for (const [name, settings, message] of [
  ['an unknown source', { sources: ['osw'] }, /no advisory source osw/],
  ['a source without an address', { sources: ['red-hat-vex'] }, /no address/],
  ['an address that is none', { urls: ['kev=file:///etc/passwd'] }, /name=url/],
] as const)
  test(`refused: ${name}`, () =>
    assert.rejects(updateFromFeeds(folder, { url, ecosystems: [], ...settings }), message))

test('pitfall 14: no credential goes to a feed', async () => {
  await update('npm')
  for (const { headers } of seen)
    assert.deepEqual([headers.authorization, headers.cookie], [undefined, undefined])
})

/** Answers with the bytes, or that they are known. */
function serve(bytes: Buffer, etag?: string): Handler {
  return (request, response) => {
    if (etag !== undefined && request.headers['if-none-match'] === etag)
      return void response.writeHead(304).end()
    if (etag !== undefined) response.setHeader('etag', etag)
    response.end(bytes)
  }
}

function read<Result>(act: (database: ReturnType<VulnerabilityDatabases['current']>) => Result): Result {
  const databases = new VulnerabilityDatabases(folder)
  try {
    return act(databases.current())
  } finally {
    databases.close()
  }
}

function idsOf(ecosystem: string): readonly string[] {
  return read((database) => database?.affecting(ecosystem, 'left').map(({ id }) => id) ?? [])
}

function storedBytes(): number {
  const downloads = join(folder, 'downloads')
  const part = readdirSync(downloads).find((name) => name.endsWith('.part'))
  return part === undefined ? 0 : statSync(join(downloads, part)).size
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}

function advisory(ecosystem: string, id: string, fixed: string): string {
  const ranges = [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed }] }]
  return JSON.stringify({
    id,
    modified: '2026-01-01T00:00:00Z',
    affected: [{ package: { ecosystem, name: 'left' }, ranges }],
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
