import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { buildImage, buildIndex, type BuiltImage } from '../fixtures/build-image.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { signImage } from '../fixtures/sign-image.ts'
import { startProduct, type Product } from '../fixtures/start-product.ts'

const advisories = join(import.meta.dirname, '../fixtures/advisories')
const policy = (more = ''): string => `
stages:
  - { name: dev, prefix: dev, rules: { scanned: true } }
  - name: staging
    prefix: staging
    rules:
      scanned: true
      findings: { atLeast: critical, onlyFixed: true }
      databaseAge: { maxDays: 3650 }
  - name: prod
    prefix: prod
    rules:
      scanned: true
      findings: { atLeast: critical, onlyFixed: true }
${more}
`

let product: Product
let robot: { username: string; password: string }

before(async () => {
  product = await startProduct({ PRATIQUE_PULL_WAIT_MS: '300' })
  await runs('vulndb', 'import', advisories)
  writePolicy('policy.yaml', policy())
  await runs('policy', 'apply', join(product.folder, 'policy.yaml'))
  const made = await runs('--json', 'robot', 'add', 'consumer', '--allow', 'pull', '--repositories', '**')
  const { loginName, secret } = JSON.parse(made) as { loginName: string; secret: string }
  robot = { username: loginName, password: secret }
})

after(() => product.stop())

test('a clean image is promoted to prod and pulled back byte for byte', async () => {
  const image = await npmImage('1.2.8')
  await push('dev/clean', '1', image)
  assert.match(await runs('scan', 'dev/clean:1'), /^CLEARED$/m)
  assert.match(await runs('promote', 'dev/clean:1', '--to', 'staging'), /^promoted/)
  assert.match(await runs('promote', 'staging/clean:1', '--to', 'prod'), /^promoted/)
  const manifest = await pull('prod/clean/manifests/1')
  assert.equal(manifest.status, 200)
  assert.deepEqual(Buffer.from(await manifest.arrayBuffer()), image.manifest)
  for (const [digest, bytes] of image.blobs) {
    const blob = await pull(`prod/clean/blobs/${digest}`)
    assert.deepEqual(Buffer.from(await blob.arrayBuffer()), bytes)
  }
})

test('the SBOM goes along as a referrer', async () => {
  const { digest } = await npmImage('1.2.8')
  const answer = await pull(`prod/clean/referrers/${digest}?artifactType=application/vnd.cyclonedx%2Bjson`)
  const { manifests } = (await answer.json()) as { manifests: unknown[] }
  assert.equal(manifests.length, 1)
})

test('an image with a critical finding is refused promotion, and the rule says how to satisfy it', async () => {
  await push('dev/bad', '1', await npmImage('0.2.3'))
  await runs('scan', 'dev/bad:1')
  const refused = await product.cli(['promote', 'dev/bad:1', '--to', 'staging'])
  assert.equal(refused.code, 1)
  assert.match(refused.stdout, /refused/)
  assert.match(
    refused.stdout.replaceAll(/\s+/g, ' '),
    /CVE-2021-44906 in minimist 0\.2\.3 \(fixed in 0\.2\.4\)/,
  )
  assert.equal((await pull('staging/bad/manifests/1')).status, 404)
})

test('pushed straight into staging it is quarantined, and a consumer gets our message', async () => {
  const image = await npmImage('0.2.3')
  await push('staging/direct', '1', image)
  const scanned = await product.cli(['scan', 'staging/direct:1'])
  assert.equal(scanned.code, 1, scanned.stdout + scanned.stderr)
  const refused = await pull('staging/direct/manifests/1')
  assert.equal(refused.status, 403)
  const { errors } = (await refused.json()) as { errors: { code: string; message: string }[] }
  assert.equal(errors[0]?.code, 'DENIED')
  assert.match(errors[0]?.message ?? '', /quarantined: rule findings: .*CVE-2021-44906/)
})

test('pitfall 16: by digest, by HEAD, by blob and by any user agent the quarantine holds', async () => {
  const image = await npmImage('0.2.3')
  assert.equal((await pull(`staging/direct/manifests/${image.digest}`)).status, 403)
  assert.equal((await pull('staging/direct/manifests/1', 'HEAD')).status, 403)
  for (const digest of image.blobs.keys()) {
    assert.equal((await pull(`staging/direct/blobs/${digest}`)).status, 403)
    assert.equal((await pull(`staging/direct/blobs/${digest}`, 'HEAD')).status, 403)
  }
  const disguised = await pull('staging/direct/manifests/1', 'GET', {
    'user-agent': 'cosign/v3.1.1 harbor-scanner',
  })
  assert.equal(disguised.status, 403)
})

test('pitfall 16: an index is as good as its worst child, and so is each child', async () => {
  const good = await npmImage('1.2.8')
  const bad = await npmImage('0.2.3')
  const index = buildIndex([good, bad])
  await push('staging/both', good.digest, good)
  await push('staging/both', bad.digest, bad)
  await push('staging/both', '1', index)
  await runs('scan', 'staging/both:1').catch(() => '')
  await until(async () => (await verdictOf('staging/both:1')) === 'quarantined')
  assert.equal((await pull('staging/both/manifests/1')).status, 403)
  assert.equal((await pull(`staging/both/manifests/${bad.digest}`)).status, 403)
  assert.equal((await pull(`staging/both/manifests/${good.digest}`)).status, 200)
})

test('a release by hand needs a reason and lets the image through in its repository only', async () => {
  const image = await npmImage('0.2.3')
  const without = await product.cli(['release', 'staging/direct:1'])
  assert.equal(without.code, 2)
  await runs('release', 'staging/direct:1', '--reason', 'accepted until the next build')
  assert.equal((await pull('staging/direct/manifests/1')).status, 200)
  assert.equal((await pull(`staging/both/manifests/${image.digest}`)).status, 403)
})

test('a quarantine by hand holds everywhere, also for what is pushed later', async () => {
  const image = await buildImage({ layers: [{ 'app.txt': 'backdoor' }] })
  await push('dev/odd', '1', image)
  assert.match(await runs('scan', 'dev/odd:1'), /^CLEARED$/m)
  await runs('quarantine', 'dev/odd:1', '--reason', 'found a backdoor')
  assert.equal((await pull('dev/odd/manifests/1')).status, 403)
  await push('other/odd', '1', image)
  await new Promise((resolve) => setTimeout(resolve, 500))
  assert.equal(await verdictOf('other/odd:1'), 'quarantined')
  const refused = await product.cli(['promote', 'dev/odd:1', '--to', 'staging'])
  assert.equal(refused.code, 1)
})

test('signed by a named key: unsigned is undetermined, signed is promoted, a revoked signer stops it, and no release helps', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writePolicy('release.pub', publicKey.export({ type: 'spki', format: 'pem' }) as string)
  await runs('signer', 'add', 'release', '--key', join(product.folder, 'release.pub'))
  writePolicy('signed.yaml', policy('      signatures: { require: [{ name: release, signers: [release] }] }'))
  await runs('policy', 'apply', join(product.folder, 'signed.yaml'))
  const image = await buildImage({ layers: [{ 'app.txt': 'to be signed' }] })
  await push('dev/signed', '1', image)
  await runs('scan', 'dev/signed:1')
  await runs('promote', 'dev/signed:1', '--to', 'staging')
  const unsigned = await product.cli(['promote', 'staging/signed:1', '--to', 'prod'])
  assert.equal(unsigned.code, 3, unsigned.stdout)
  assert.match(unsigned.stdout, /signatures \(stage prod\)/)
  await signImage(target(), 'staging/signed', image, privateKey)
  assert.match(await runs('promote', 'staging/signed:1', '--to', 'prod'), /^promoted/)
  const signature = await pull(`prod/signed/manifests/${image.digest.replace(':', '-')}.sig`)
  assert.equal(signature.status, 200)
  await runs('signer', 'revoke', 'release', '--reason', 'the key was lost')
  assert.equal((await pull('prod/signed/manifests/1')).status, 403, 'a revoked signature has no grace')
  await until(async () => (await verdictOf('prod/signed:1')) === 'quarantined')
  const released = await product.cli(['release', 'prod/signed:1', '--reason', 'we need it'])
  assert.match(released.stdout.replaceAll(/\s+/g, ' '), /does not stand above the rule signatures/)
  assert.equal((await pull('prod/signed/manifests/1')).status, 403)
  writePolicy('policy.yaml', policy())
  await runs('policy', 'apply', join(product.folder, 'policy.yaml'))
})

test('an image on an approved base shows it, and the rule asks for one', async () => {
  const baseLayer = { 'etc/os-release': 'ID=harbour\nVERSION_ID=1\n' }
  const base = await buildImage({ layers: [baseLayer] })
  const app = await buildImage({ layers: [baseLayer, { 'app.txt': 'on a base' }] })
  await push('dev/base', '1', base)
  await push('dev/on-base', '1', app)
  await runs('scan', 'dev/base:1')
  await runs('scan', 'dev/on-base:1')
  assert.match(await runs('inspect', 'dev/on-base:1'), /unknown base/)
  await runs('base', 'approve', 'harbour', '1.0', 'dev/base:1')
  assert.match(await runs('inspect', 'dev/on-base:1'), /harbour 1\.0 \(approved\)/)
  assert.match(await runs('inspect', 'dev/odd:1'), /unknown base/)
})

test('a new advisory recalls what was cleared, without reading a layer again', async () => {
  const image = await buildImage({
    layers: [{ 'app/node_modules/left-harbour/package.json': '{"name":"left-harbour","version":"1.0.0"}' }],
  })
  await push('dev/later', '1', image)
  await runs('scan', 'dev/later:1')
  await runs('promote', 'dev/later:1', '--to', 'staging')
  const scanBefore = await scannedAt('staging/later:1')
  writePolicy(
    'new.json',
    JSON.stringify({
      id: 'TEST-2026-1',
      modified: new Date().toISOString(),
      database_specific: { severity: 'CRITICAL' },
      affected: [
        {
          package: { ecosystem: 'npm', name: 'left-harbour' },
          ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed: '1.0.1' }] }],
        },
      ],
    }),
  )
  await runs('vulndb', 'import', join(product.folder, 'new.json'))
  await until(async () => (await verdictOf('staging/later:1')) === 'recalled')
  assert.equal(await scannedAt('staging/later:1'), scanBefore)
  assert.equal(
    (await pull('staging/later/manifests/1')).status,
    200,
    'within its grace it can still be pulled',
  )
  const refused = await product.cli(['promote', 'staging/later:1', '--to', 'prod'])
  assert.equal(refused.code, 1)
})

test('pitfall 22: after kill -9 everything is as it was', async () => {
  await product.restart('SIGKILL')
  assert.equal((await pull('prod/clean/manifests/1')).status, 200)
  assert.equal((await pull(`staging/both/manifests/1`)).status, 403)
  assert.match(await runs('audit', 'verify'), /is whole/)
})

async function npmImage(version: string): Promise<BuiltImage> {
  return buildImage({
    layers: [
      { 'etc/os-release': 'ID=harbour\nVERSION_ID=1\nPRETTY_NAME="Harbour 1"\n' },
      { 'app/node_modules/minimist/package.json': JSON.stringify({ name: 'minimist', version }) },
    ],
    instructions: ['ADD rootfs.tar /', 'RUN npm ci'],
  })
}

function target(): { url: string; authorization: string } {
  return { url: product.url, authorization: product.basic() }
}

async function push(repository: string, reference: string, image: BuiltImage): Promise<void> {
  await pushImage(target(), repository, reference, image)
}

/** As a consumer, who may pull everywhere and nothing else. */
function pull(path: string, method = 'GET', headers: Record<string, string> = {}): Promise<Response> {
  const authorization = product.basic(robot.username, robot.password)
  return fetch(`${product.url}/v2/${path}`, { method, headers: { authorization, ...headers } })
}

async function runs(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await product.cli(args)
  assert.equal(code, 0, `pratique ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

function writePolicy(name: string, text: string): void {
  writeFileSync(join(product.folder, name), text)
}

async function verdictOf(image: string): Promise<string> {
  const { body } = await product.api('GET', `/api/v1/verdict?image=${encodeURIComponent(image)}`)
  return (body as { state: string }).state
}

async function scannedAt(image: string): Promise<string | undefined> {
  const { body } = await product.api('GET', `/api/v1/scan?image=${encodeURIComponent(image)}`)
  return (body as { items: { scannedAt?: string }[] }).items[0]?.scannedAt
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 15_000; Date.now() < deadline;) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.fail('it did not become so within 15 s')
}
