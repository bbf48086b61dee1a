import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { PlainRegistry } from '../../../test/fixtures/plain-registry.ts'
import { RemoteFailure } from './failures.ts'
import { RemoteRepository } from './remote-repository.ts'

const names = ['DOCKER_CONFIG', 'REGISTRY_AUTH_FILE', 'XDG_RUNTIME_DIR'] as const
const inherited = names.map((name) => [name, process.env[name]] as const)
const auth = Buffer.from('user:secret').toString('base64')
const folder = mkdtempSync(join(tmpdir(), 'pratique-credentials-'))
let registry: PlainRegistry

before(async () => {
  registry = await new PlainRegistry({ tokens: true }).start()
})
after(async () => {
  await registry.stop()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(() => {
  for (const name of names) process.env[name] = join(folder, 'nowhere')
})
afterEach(() => {
  for (const [name, value] of inherited) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
})

function write(name: string, content: unknown): string {
  const path = join(folder, name)
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

async function read(host = registry.host): Promise<void> {
  const server = `http://${registry.host}`
  const repository = await RemoteRepository.open(host, 'app', { server })
  assert.equal(await repository.findManifest('absent'), undefined)
}

test("docker's sign-in is used, under the name of the host with and without a scheme", async () => {
  for (const key of [registry.host, `https://${registry.host}`]) {
    write('docker/config.json', { auths: { [key]: { auth } } })
    process.env['DOCKER_CONFIG'] = join(folder, 'docker')
    await read()
  }
})

test("podman's sign-in is used, from its usual file and from the one that is named", async () => {
  const file = write('run/containers/auth.json', { auths: { [registry.host]: { auth } } })
  process.env['XDG_RUNTIME_DIR'] = join(folder, 'run')
  await read()
  process.env['XDG_RUNTIME_DIR'] = join(folder, 'nowhere')
  process.env['REGISTRY_AUTH_FILE'] = file
  await read()
})

test("Docker Hub's is found under the name that docker keeps it by", async () => {
  write('hub/config.json', { auths: { 'https://index.docker.io/v1/': { auth } } })
  process.env['DOCKER_CONFIG'] = join(folder, 'hub')
  await read('docker.io')
})

test('the sign-in of another host, and an empty one, are not used', async () => {
  write('other/config.json', { auths: { 'registry.example': { auth }, [registry.host]: { auth: '' } } })
  process.env['DOCKER_CONFIG'] = join(folder, 'other')
  await assert.rejects(read(), /sign in first/)
})

test('a file that is no JSON is named', async () => {
  process.env['REGISTRY_AUTH_FILE'] = write('broken.json', '{')
  await assert.rejects(read(), (error: unknown) => {
    assert.ok(error instanceof RemoteFailure && error.code === 'TARGET_INVALID', String(error))
    assert.match(error.message, /broken\.json is not JSON/)
    return true
  })
})
