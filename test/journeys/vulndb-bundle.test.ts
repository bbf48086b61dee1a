import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startProduct, type Product, type Ran } from '../fixtures/start-product.ts'

const advisories = join(import.meta.dirname, '../fixtures/advisories')
let connected: Product
let airGapped: Product

before(async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const stranger = generateKeyPairSync('ed25519').publicKey
  connected = await startProduct()
  airGapped = await startProduct()
  writeFileSync(fileOf('key.pem'), privateKey.export({ format: 'pem', type: 'pkcs8' }))
  writeFileSync(fileOf('key.pub'), publicKey.export({ format: 'pem', type: 'spki' }))
  writeFileSync(fileOf('stranger.pub'), stranger.export({ format: 'pem', type: 'spki' }))
})
after(async () => {
  await connected.stop()
  await airGapped.stop()
})

const fileOf = (name: string): string => join(connected.folder, name)

async function succeeds(ran: Promise<Ran>): Promise<string> {
  const { code, stdout, stderr } = await ran
  assert.equal(code, 0, stdout + stderr)
  return stdout
}

test('there is nothing to export before the first import', async () => {
  const ran = await connected.cli(['vulndb', 'export', fileOf('none.tar'), '--key', fileOf('key.pem')])
  assert.equal(ran.code, 2)
  assert.match(ran.stderr, /no vulnerability database/)
})

test('a bundle of one server becomes the database of another, with the right key only', async () => {
  await succeeds(connected.cli(['vulndb', 'import', advisories]))
  await succeeds(connected.cli(['vulndb', 'export', fileOf('bundle.tar'), '--key', fileOf('key.pem')]))
  const unnamed = await airGapped.cli(['vulndb', 'import', fileOf('bundle.tar')])
  assert.match(unnamed.stderr, /no key is trusted/)
  const wrong = await airGapped.cli([
    'vulndb',
    'import',
    fileOf('bundle.tar'),
    '--key',
    fileOf('stranger.pub'),
  ])
  assert.match(wrong.stderr, /none of the trusted keys/)
  await succeeds(airGapped.cli(['vulndb', 'import', fileOf('bundle.tar'), '--key', fileOf('key.pub')]))
  const [theirs, ours] = [await statusOf(connected), await statusOf(airGapped)]
  assert.deepEqual(ours, theirs)
})

test('a bundle goes through a registry, and back to an older one only when asked', async () => {
  const key = ['--key', fileOf('key.pem')]
  const trusted = ['--key', fileOf('key.pub')]
  await succeeds(connected.cli(['vulndb', 'push', 'mirror/vulndb:old', ...key]))
  await succeeds(connected.cli(['vulndb', 'import', join(advisories, 'npm.osv.jsonl')]))
  const newest = (await statusOf(connected)).version
  const older = await connected.cli(['vulndb', 'pull', 'mirror/vulndb:old', ...trusted])
  assert.match(older.stderr, /older than the database in use/)
  assert.equal((await statusOf(connected)).version, newest)
  await succeeds(connected.cli(['vulndb', 'pull', 'mirror/vulndb:old', ...trusted, '--allow-older']))
  assert.equal((await statusOf(connected)).version, (await statusOf(airGapped)).version)
})

async function statusOf(product: Product): Promise<{ version: string }> {
  return JSON.parse(await succeeds(product.cli(['--json', 'vulndb', 'status']))) as { version: string }
}
