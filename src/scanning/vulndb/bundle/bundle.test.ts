import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import {
  createReadStream,
  createWriteStream,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import tar from 'tar-stream'
import { importAdvisories } from '../import-advisories.ts'
import { VulnerabilityDatabases } from '../open-vulnerability-database.ts'
import { importBundle } from './read-bundle.ts'
import { readPublicKey } from './sign-manifest.ts'
import { bundleArtifact, bundleEntries, type BundleManifest } from './wire.ts'
import { writeBundle } from './write-bundle.ts'

const root = mkdtempSync(join(tmpdir(), 'pratique-bundle-'))
after(() => rmSync(root, { recursive: true }))
const ed25519 = generateKeyPairSync('ed25519')
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const another = generateKeyPairSync('ed25519')

/** Where the bundles come from, with a database of the given day, and its bundle. */
async function makeBundle(day: string, key?: KeyObject): Promise<{ path: string; manifest: BundleManifest }> {
  const folder = mkdtempSync(join(root, 'from-'))
  const file = join(folder, 'npm.jsonl')
  const ranges = [{ type: 'SEMVER', events: [{ introduced: '0' }] }]
  writeFileSync(
    file,
    JSON.stringify({ id: `X-${day}`, affected: [{ package: { ecosystem: 'npm', name: 'a' }, ranges }] }),
  )
  await importAdvisories(folder, file, Date.parse(day))
  const databases = new VulnerabilityDatabases(folder)
  const database = databases.current()
  assert.ok(database)
  const path = join(folder, 'bundle.tar')
  const manifest = await writeBundle(
    createWriteStream(path),
    databases.file() as string,
    database,
    folder,
    key,
  )
  databases.close()
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('export-')),
    [],
  )
  return { path, manifest }
}

function idsIn(folder: string): readonly string[] | undefined {
  const databases = new VulnerabilityDatabases(folder)
  const ids = databases
    .current()
    ?.affecting('npm', 'a')
    .map(({ id }) => id)
  databases.close()
  return ids
}

const target = (): string => mkdtempSync(join(root, 'to-'))

for (const [name, pair] of [
  ['Ed25519', ed25519],
  ['ECDSA P-256', p256],
] as const)
  test(`a bundle signed with ${name} becomes the database in use`, async () => {
    const { path, manifest } = await makeBundle('2026-05-01', pair.privateKey)
    const to = target()
    const trust = { keys: [another.publicKey, pair.publicKey], allowOlder: false }
    assert.deepEqual(await importBundle(to, createReadStream(path), trust), manifest)
    assert.deepEqual(idsIn(to), ['X-2026-05-01'])
    assert.deepEqual(manifest.sources, [{ name: 'npm', records: 1 }])
  })

describe('a bundle is refused and changes nothing', async () => {
  let bundle: Buffer
  let newer: Buffer
  before(async () => {
    bundle = readFileSync((await makeBundle('2026-05-01', ed25519.privateKey)).path)
    newer = readFileSync((await makeBundle('2026-05-02', ed25519.privateKey)).path)
  })
  const cases: readonly [
    name: string,
    make: () => Promise<Buffer>,
    keys: readonly KeyObject[],
    message: RegExp,
  ][] = [
    ['signed by somebody else', async () => bundle, [another.publicKey], /none of the trusted keys/],
    ['without any trusted key', async () => bundle, [], /no key is trusted/],
    [
      'unsigned',
      async () => readFileSync((await makeBundle('2026-05-01')).path),
      [ed25519.publicKey],
      /nobody signed/,
    ],
    ['cut off', async () => bundle.subarray(0, bundle.length - 3000), [ed25519.publicKey], /cannot be used/],
    ['empty', async () => Buffer.alloc(0), [ed25519.publicKey], /no database|cannot be used/],
    ['no tar', async () => Buffer.from('x'.repeat(2000)), [ed25519.publicKey], /cannot be used/],
    [
      'with a changed manifest',
      () =>
        rewrite(bundle, (name, bytes) =>
          name === bundleEntries.manifest
            ? Buffer.from(bytes.toString().replace('"records": 1', '"records": 2'))
            : bytes,
        ),
      [ed25519.publicKey],
      /none of the trusted keys/,
    ],
    [
      'with the database of another',
      async () => {
        const parts = await entriesOf(newer)
        return rewrite(bundle, (name, bytes) =>
          name === bundleEntries.database ? (parts.get(name) as Buffer) : bytes,
        )
      },
      [ed25519.publicKey],
      /not the one that was signed|more than/,
    ],
    [
      'with something else in it',
      () => rewrite(bundle, (_name, bytes) => bytes, '../../evil'),
      [ed25519.publicKey],
      /an entry "..\/..\/evil"/,
    ],
  ]
  for (const [name, make, keys, message] of cases)
    test(name, async () => {
      const to = target()
      const stream = Readable.from([await make()])
      await assert.rejects(importBundle(to, stream, { keys, allowOlder: true }), message)
      assert.equal(idsIn(to), undefined)
      assert.deepEqual(readdirSync(to), [])
    })

  test('whatever byte of it is changed', async () => {
    const to = target()
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: bundle.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, by) => {
          const changed = Buffer.from(bundle)
          changed[at] = (changed[at] as number) ^ by
          try {
            await importBundle(to, Readable.from([changed]), { keys: [ed25519.publicKey], allowOlder: true })
          } catch (error) {
            assert.match((error as { code?: string }).code ?? String(error), /^BUNDLE_/)
            return
          }
          // Padding and dates of the tar are not signed; what comes out of it is.
          assert.deepEqual(idsIn(to), ['X-2026-05-01'])
        },
      ),
      { numRuns: 150 },
    )
  })
})

test('an older bundle goes in only when that is allowed', async () => {
  const [older, newer] = [
    await makeBundle('2026-05-01', p256.privateKey),
    await makeBundle('2026-06-01', p256.privateKey),
  ]
  const to = target()
  const keys = [p256.publicKey]
  await importBundle(to, createReadStream(newer.path), { keys, allowOlder: false })
  await assert.rejects(
    importBundle(to, createReadStream(older.path), { keys, allowOlder: false }),
    /older than the database in use/,
  )
  assert.deepEqual(idsIn(to), ['X-2026-06-01'])
  await importBundle(to, createReadStream(older.path), { keys, allowOlder: true })
  assert.deepEqual(idsIn(to), ['X-2026-05-01'])
})

test('the artifact names its type, its version and the bundle', async () => {
  const { manifest } = await makeBundle('2026-05-01', ed25519.privateKey)
  const document = JSON.parse(
    bundleArtifact({ digest: 'sha256:00', size: 7 }, manifest).manifest.toString(),
  ) as {
    artifactType: string
    layers: unknown
    annotations: Record<string, string>
  }
  assert.equal(document.artifactType, 'application/vnd.pratique.vulndb.v1')
  assert.deepEqual(document.layers, [
    { mediaType: 'application/vnd.pratique.vulndb.v1.tar', digest: 'sha256:00', size: 7 },
  ])
  assert.equal(document.annotations['org.opencontainers.image.version'], manifest.version)
})

test('a public key goes as PEM and as base64url, and other kinds are refused', () => {
  const der = ed25519.publicKey.export({ format: 'der', type: 'spki' }).toString('base64url')
  const pem = p256.publicKey.export({ format: 'pem', type: 'spki' }).toString()
  assert.ok(readPublicKey(der).equals(ed25519.publicKey))
  assert.ok(readPublicKey(pem).equals(p256.publicKey))
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
  assert.throws(
    () => readPublicKey(rsa.export({ format: 'pem', type: 'spki' }).toString()),
    /Ed25519 or an ECDSA/,
  )
  assert.throws(() => readPublicKey('AAAA'), /cannot be read/)
})

async function entriesOf(bundle: Buffer): Promise<Map<string, Buffer>> {
  const entries = new Map<string, Buffer>()
  const from = tar.extract()
  from.end(bundle)
  for await (const entry of from) entries.set(entry.header.name, await buffer(entry))
  return entries
}

async function rewrite(
  bundle: Buffer,
  change: (name: string, bytes: Buffer) => Buffer,
  first?: string,
): Promise<Buffer> {
  const pack = tar.pack()
  if (first !== undefined) pack.entry({ name: first }, 'x')
  for (const [name, bytes] of await entriesOf(bundle)) pack.entry({ name }, change(name, bytes))
  pack.finalize()
  return buffer(pack)
}
