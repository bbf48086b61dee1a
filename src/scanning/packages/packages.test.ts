import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openDatabase, type Database } from '../../database/index.ts'
import { digestOf } from '../../kernel/digest.ts'
import { saveScan } from '../store.ts'
import type { InstalledPackage, Inventory } from '../types.ts'
import { searchPackages, type PackageQuery } from './search-packages.ts'

const base = { path: 'var/lib/dpkg/status', layer: 0 } as const
const deb = (name: string, version: string, sourceName?: string): InstalledPackage => ({
  ...base,
  type: 'deb',
  name,
  version,
  ...(sourceName === undefined ? {} : { sourceName }),
  purl: `pkg:deb/debian/${name}@${version}`,
})
const npm = (name: string, version: string): InstalledPackage => ({
  ...base,
  type: 'npm',
  name,
  version,
  purl: `pkg:npm/${name}@${version}`,
})
const inventory = (...packages: InstalledPackage[]): Inventory => ({
  operatingSystem: { id: 'debian', versionId: '12', prettyName: '' },
  layers: [],
  packages,
  unknowns: [],
})

let database: Database
before(async () => {
  database = await openDatabase(':memory:')
  await database
    .insertInto('project')
    .values({ id: 'p', name: 'p', anonymous_pull: 0, created_at: 1 })
    .execute()
  await store('one', inventory(deb('libssl3', '3.0.9-1', 'openssl'), npm('openssl', '1.0.0')))
  await store('two', inventory(deb('libssl3', '3.0.14-1~deb12u1', 'openssl'), deb('bash', '5.2-2')))
})
after(() => database.destroy())

async function store(repository: string, found: Inventory): Promise<void> {
  const digest = digestOf(repository)
  await database.transaction().execute(async (transaction) => {
    await saveScan(transaction, digest, { inventory: found }, 1)
    const known = await transaction
      .selectFrom('repository')
      .select('id')
      .where('id', '=', repository)
      .execute()
    if (known.length > 0) return
    await transaction
      .insertInto('manifest')
      .values({
        digest,
        media_type: '',
        artifact_type: null,
        config_media_type: null,
        subject_digest: null,
        kind: 'image',
        size: 0,
        annotations: '{}',
        content: new Uint8Array(),
        created_at: 1,
      })
      .execute()
    await transaction
      .insertInto('repository')
      .values({ id: repository, project_id: 'p', name: repository, created_at: 1 })
      .execute()
    await transaction
      .insertInto('repository_manifest')
      .values({ repository_id: repository, digest, pushed_by: 'x', pushed_at: 1, pulled_at: null })
      .execute()
  })
}

async function search(query: PackageQuery): Promise<string[]> {
  const { places } = await searchPackages(database, query, repositories, 100)
  return places.map(({ repository, type, name, version }) => `${repository}: ${type} ${name} ${version}`)
}

const repositories = ['one', 'two'].map((name) => ({ id: name, name }))

test('only what the caller may look into is looked at, and no more than asked for', async () => {
  const [one] = repositories
  const search = async (
    ...args: Parameters<typeof searchPackages> extends [unknown, ...infer Rest] ? Rest : never
  ) => searchPackages(database, ...args)
  const found = await search({ name: '*' }, [one as typeof one & object], 100)
  assert.deepEqual([...new Set(found.places.map(({ repository }) => repository))], ['one'])
  assert.equal(found.more, false)
  assert.deepEqual(await search({ name: '*' }, [], 100), { places: [], more: false })
  const cut = await search({ name: '*' }, repositories, 3)
  assert.deepEqual([cut.places.length, cut.more], [3, true])
})

test('a package is found by its name and by its source, in every image that holds it', async () => {
  assert.deepEqual(await search({ name: 'libssl3' }), [
    'one: deb libssl3 3.0.9-1',
    'two: deb libssl3 3.0.14-1~deb12u1',
  ])
  assert.deepEqual(await search({ name: 'openssl', type: 'deb' }), [
    'one: deb libssl3 3.0.9-1',
    'two: deb libssl3 3.0.14-1~deb12u1',
  ])
})

test('versions before another are told in the order of the package, not of text', async () => {
  assert.deepEqual(await search({ name: 'openssl', type: 'deb', below: '3.0.14-1~deb12u1' }), [
    'one: deb libssl3 3.0.9-1',
  ])
  assert.deepEqual(await search({ name: 'libssl3', version: '3.0.9-1' }), ['one: deb libssl3 3.0.9-1'])
})

test('a star stands for anything, and what else the database would take for a pattern does not', async () => {
  assert.deepEqual(await search({ name: 'LIB*' }), [
    'one: deb libssl3 3.0.9-1',
    'two: deb libssl3 3.0.14-1~deb12u1',
  ])
  assert.deepEqual(await search({ name: 'lib_sl3' }), [])
  assert.deepEqual(await search({ name: '%*' }), [])
})

test('what a later layer took away is not found, unless it is still there elsewhere', async () => {
  const gone = { ...deb('gone', '1'), removedIn: 1 }
  const kept = { ...deb('kept', '1'), removedIn: 1 }
  await store('two', { ...inventory(deb('kept', '1')), removed: [gone, kept] })
  assert.deepEqual(await search({ name: 'gone' }), [])
  assert.deepEqual(await search({ name: 'kept' }), ['two: deb kept 1'])
})

test('an image that is scanned again is found by what it holds now only', async () => {
  await store('two', inventory(deb('bash', '5.2-3')))
  assert.deepEqual(await search({ name: 'libssl3' }), ['one: deb libssl3 3.0.9-1'])
  assert.deepEqual(await search({ name: 'bash' }), ['two: deb bash 5.2-3'])
})
