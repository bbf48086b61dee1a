import assert from 'node:assert/strict'
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { digestOf, hexOf } from '../../src/kernel/digest.ts'
import { mediaTypes } from '../../src/kernel/media-types.ts'
import { buildImage, type BuiltImage } from '../fixtures/build-image.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { signImage } from '../fixtures/sign-image.ts'
import { startProduct, type Product } from '../fixtures/start-product.ts'

const vulnerability = 'CVE-2021-44906'
const dora = { username: 'dora', password: 'a-password-for-dora' }
const sam = { username: 'sam', password: 'a-password-for-sam' }
const policy = `
stages:
  - { name: dev, prefix: dev, rules: { scanned: true } }
  - { name: staging, prefix: staging, rules: { scanned: true, findings: { atLeast: critical } } }
`

let product: Product

before(async () => {
  product = await startProduct({ PRATIQUE_PULL_WAIT_MS: '300' })
  await runs('vulndb', 'import', join(import.meta.dirname, '../fixtures/advisories'))
  write('policy.yaml', policy)
  await runs('policy', 'apply', join(product.folder, 'policy.yaml'))
  for (const { username, password } of [dora, sam]) {
    const { status } = await product.api('POST', '/api/v1/users', { name: username, password })
    assert.equal(status, 201)
  }
  for (const name of ['dev', 'staging']) await product.api('POST', '/api/v1/projects', { name })
  await grant('dora', ['pull'], 'staging/**')
  await grant('sam', ['pull', 'approve'], '**')
})
after(() => product.stop())

test('a developer asks, security approves, the image is cleared and its rule says by whom', async () => {
  await push('staging/shop')
  await becomes('staging/shop:1', 'quarantined')
  const id = await ask(dora, '--image', 'staging/shop:1')
  assert.equal(await verdictOf('staging/shop:1'), 'quarantined', 'asking alone changes nothing')
  await approve(id)
  await becomes('staging/shop:1', 'cleared')
  const { body } = await product.api('GET', '/api/v1/verdict?image=staging/shop:1')
  const { reasons } = body as {
    reasons: { rule: string; message: string; evidence?: { exceptions?: unknown } }[]
  }
  const rule = reasons.find((reason) => reason.rule === 'findings')
  assert.match(rule?.message ?? '', /left out by exception: CVE-2021-44906 in minimist not affected/)
  assert.match(JSON.stringify(rule?.evidence?.exceptions), /"approvedBy":"sam"/)
  const finding = await findingOf('staging/shop:1')
  assert.equal((finding?.exception as { id?: string })?.id, id)
  assert.match(await runs('exception', 'show', id), /Decided by sam .*: looked at it/)
})

test('it holds for that image and no other, and withdrawing it brings the finding back', async () => {
  const other = await push('staging/cart', 'another image')
  await becomes('staging/cart:1', 'quarantined')
  const list = await product.cli(['--json', 'exception', 'list', '--state', 'approved'], dora)
  const { items } = JSON.parse(list.stdout) as { items: { id: string; digest: string }[] }
  assert.equal(items.length, 1)
  assert.notEqual(items[0]?.digest, other.digest)
  await runs('exception', 'withdraw', items[0]?.id ?? '', '--reason', 'it is called after all')
  await until(async () => (await verdictOf('staging/shop:1')) !== 'cleared')
})

test('nobody approves their own, nobody asks beyond what they may pull, and the API says why', async () => {
  const own = await ask(sam, '--repository', 'staging/cart')
  const self = await product.cli(['exception', 'approve', own], sam)
  assert.equal(self.code, 2)
  assert.match(self.stderr, /another person/)
  const wide = await product.cli(
    ['exception', 'request', vulnerability, ...why, '--until', '5d', '--organisation'],
    dora,
  )
  assert.equal(wide.code, 2)
  assert.match(wide.stderr, /narrower pattern/)
  const late = await product.api('POST', '/api/v1/exceptions', {
    vulnerability,
    status: 'affected',
    reason: 'for ever',
    repositories: 'staging/**',
    until: '2099-01-01T00:00:00Z',
  })
  assert.equal(late.status, 400)
  assert.equal((late.body as { code: string }).code, 'EXCEPTION_INVALID')
  await runs('exception', 'reject', own, '--reason', 'it is called')
})

test('an image is promoted with an exception of the stage that it goes to, not with one of where it is', async () => {
  await push('dev/job', 'a job')
  await runs('scan', 'dev/job:1').catch(() => '')
  await becomes('dev/job:1', 'cleared')
  const asked = await product.api('POST', '/api/v1/exceptions', {
    vulnerability,
    status: 'affected',
    reason: 'development only',
    repositories: 'dev/**',
    until: new Date(Date.now() + 3_600_000).toISOString(),
  })
  await approve((asked.body as { id: string }).id)
  assert.equal((await product.cli(['promote', 'dev/job:1', '--to', 'staging'])).code, 1)
  await approve(await ask(dora, '--repository', 'staging/job', '--package', 'pkg:npm/minimist'))
  assert.equal((await product.cli(['promote', 'dev/job:1', '--to', 'staging'])).code, 0)
})

test('an exception that runs out, over a kill -9, brings the finding back once', async () => {
  await push('staging/brief', 'soon over')
  await becomes('staging/brief:1', 'quarantined')
  const { body } = await product.api('POST', '/api/v1/exceptions', {
    vulnerability,
    status: 'affected',
    reason: 'the fix comes in a moment',
    repositories: 'staging/brief',
    until: new Date(Date.now() + 6_000).toISOString(),
  })
  const { id } = body as { id: string }
  await approve(id)
  await becomes('staging/brief:1', 'cleared')
  await product.restart('SIGKILL')
  await until(async () => (await verdictOf('staging/brief:1')) !== 'cleared')
  const audit = await product.api('GET', `/api/v1/audit?object=${id}`)
  const actions = (audit.body as { items: { action: string }[] }).items.map(({ action }) => action)
  assert.deepEqual(actions, ['exception.expired', 'exception.approved', 'exception.requested'])
  assert.match(await runs('audit', 'verify'), /is whole/)
})

test('a document is imported by security, approved by a second person, and then holds for its product', async () => {
  const image = await push('staging/vendor', 'of a vendor')
  await becomes('staging/vendor:1', 'quarantined')
  const product_ = `pkg:oci/vendor@${image.digest.replace(':', '%3A')}`
  write(
    'vendor.openvex.json',
    JSON.stringify(openVex([{ '@id': product_, subcomponents: [{ '@id': 'pkg:npm/minimist' }] }])),
  )
  const file = join(product.folder, 'vendor.openvex.json')
  const scope = ['--repository', 'staging/**', '--until', '30d']
  assert.equal((await product.cli(['exception', 'import', file, ...scope], dora)).code, 2)
  const imported = await product.cli(['--json', 'exception', 'import', file, ...scope], sam)
  const { items } = JSON.parse(imported.stdout) as { items: { id: string; requestedBy: string }[] }
  assert.equal(items.length, 1)
  assert.equal((await product.cli(['exception', 'approve', items[0]?.id ?? ''], sam)).code, 2)
  await runs('exception', 'approve', items[0]?.id ?? '')
  await becomes('staging/vendor:1', 'cleared')
  assert.equal(await verdictOf('staging/cart:1'), 'quarantined')
})

test('an export says what was approved, what is asked about and what is affected, in each format', async () => {
  const openvex = await exported('staging/vendor:1', 'openvex')
  const [first] = openvex['statements'] as { status: string; justification: string }[]
  assert.equal(first?.status, 'not_affected')
  assert.equal(first?.justification, 'vulnerable_code_not_in_execute_path')
  const csaf = await exported('staging/vendor:1', 'csaf')
  assert.match(JSON.stringify(csaf['vulnerabilities']), /"known_not_affected"/)
  const affected = await exported('staging/cart:1', 'cyclonedx')
  assert.match(JSON.stringify(affected['vulnerabilities']), /update minimist to 0\.2\.4.*"exploitable"/)
  await ask(dora, '--repository', 'staging/cart')
  assert.match(JSON.stringify(await exported('staging/cart:1', 'cyclonedx')), /"in_triage"/)
})

test('VEX attached to an image counts when a trusted signer made it, and no longer when the signer is removed', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const image = await push('staging/attested', 'with an attestation')
  await becomes('staging/attested:1', 'quarantined')
  await attach('staging/attested', image, envelopeOf(image, stranger.privateKey))
  await attach('staging/attested', image, envelopeOf({ digest: digestOf('another image') }, privateKey))
  write('vendor.pub', publicKey.export({ type: 'spki', format: 'pem' }) as string)
  await runs('signer', 'add', 'vendor', '--vex', '--key', join(product.folder, 'vendor.pub'))
  await settled()
  assert.equal(await verdictOf('staging/attested:1'), 'quarantined', 'neither is about it and trusted')
  await attach('staging/attested', image, envelopeOf(image, privateKey))
  await becomes('staging/attested:1', 'cleared')
  const finding = await findingOf('staging/attested:1')
  assert.equal((finding?.exception as { approvedBy?: string })?.approvedBy, 'VEX signer vendor')
  await runs('signer', 'revoke', 'vendor', '--reason', 'gone')
  await until(async () => (await verdictOf('staging/attested:1')) !== 'cleared')
})

test('a plain OpenVEX artifact counts once it is signed as an image is, by a trusted signer', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const image = await push('staging/plain', 'with a plain document')
  await becomes('staging/plain:1', 'quarantined')
  write('plain.pub', publicKey.export({ type: 'spki', format: 'pem' }) as string)
  await runs('signer', 'add', 'plain', '--vex', '--key', join(product.folder, 'plain.pub'))
  const document = Buffer.from(JSON.stringify(openVex([{ '@id': 'pkg:npm/minimist' }])))
  const artifact = await attach('staging/plain', image, document, 'application/openvex+json')
  await settled()
  assert.equal(await verdictOf('staging/plain:1'), 'quarantined', 'it is not signed')
  await signImage(target(), 'staging/plain', artifact, privateKey)
  await becomes('staging/plain:1', 'cleared')
})

const why = [
  '--status',
  'not_affected',
  '--justification',
  'vulnerable_code_not_in_execute_path',
  '--reason',
  'never called',
]

async function ask(as: typeof dora, ...scope: string[]): Promise<string> {
  const args = ['--json', 'exception', 'request', vulnerability, ...why, '--until', '30d', ...scope]
  const { code, stdout, stderr } = await product.cli(args, as)
  assert.equal(code, 0, stderr)
  return (JSON.parse(stdout) as { id: string }).id
}

async function approve(id: string): Promise<void> {
  const { code, stderr } = await product.cli(['exception', 'approve', id, '--reason', 'looked at it'], sam)
  assert.equal(code, 0, stderr)
}

async function exported(image: string, format: string): Promise<Record<string, unknown>> {
  return JSON.parse(await runs('exception', 'export', image, '--format', format)) as Record<string, unknown>
}

function openVex(products: object[]): object {
  return {
    '@context': 'https://openvex.dev/ns/v0.2.0',
    '@id': 'https://vex.example/vendor-1',
    author: 'A vendor',
    timestamp: '2026-01-01T00:00:00Z',
    version: 1,
    statements: [
      {
        vulnerability: { name: 'GHSA-xvch-5gv4-984h', aliases: [vulnerability] },
        ...(products.length > 0 ? { products } : {}),
        status: 'not_affected',
        justification: 'vulnerable_code_not_in_execute_path',
      },
    ],
  }
}

/** DSSE with an in-toto statement, as `cosign attest --type openvex` makes it. */
function envelopeOf(image: Pick<BuiltImage, 'digest'>, key: KeyObject): Buffer {
  const payload = Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'image', digest: { sha256: hexOf(image.digest) } }],
      predicateType: 'https://openvex.dev/ns/v0.2.0',
      predicate: openVex([]),
    }),
  )
  const type = 'application/vnd.in-toto+json'
  const message = Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload])
  const signature =
    key.asymmetricKeyType === 'ed25519' ? sign(null, message, key) : sign('sha256', message, key)
  return Buffer.from(
    JSON.stringify({
      payloadType: type,
      payload: payload.toString('base64'),
      signatures: [{ keyid: '', sig: signature.toString('base64') }],
    }),
  )
}

async function attach(
  repository: string,
  subject: BuiltImage,
  content: Buffer,
  mediaType = 'application/vnd.dsse.envelope.v1+json',
): Promise<BuiltImage> {
  const empty = Buffer.from('{}')
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      artifactType: mediaType,
      config: { mediaType: mediaTypes.ociEmpty, digest: digestOf(empty), size: empty.length },
      layers: [{ mediaType, digest: digestOf(content), size: content.length }],
      subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.manifest.length },
    }),
  )
  const artifact: BuiltImage = {
    digest: digestOf(manifest),
    manifest,
    mediaType: mediaTypes.ociManifest,
    blobs: new Map([
      [digestOf(empty), empty],
      [digestOf(content), content],
    ]),
    diffIds: [],
  }
  await pushImage(target(), repository, artifact.digest, artifact)
  return artifact
}

async function push(repository: string, note = 'the shop'): Promise<BuiltImage> {
  const image = await buildImage({
    layers: [
      { 'etc/os-release': 'ID=harbour\nVERSION_ID=1\n', 'note.txt': note },
      { 'app/node_modules/minimist/package.json': '{"name":"minimist","version":"0.2.3"}' },
    ],
  })
  await pushImage(target(), repository, '1', image)
  return image
}

function target(): { url: string; authorization: string } {
  return { url: product.url, authorization: product.basic() }
}

async function grant(principal: string, actions: string[], repositories: string): Promise<void> {
  const { status } = await product.api('POST', '/api/v1/role-bindings', { principal, actions, repositories })
  assert.equal(status, 201)
}

async function runs(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await product.cli(args)
  assert.equal(code, 0, `pratique ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

function write(name: string, text: string): void {
  writeFileSync(join(product.folder, name), text)
}

async function verdictOf(image: string): Promise<string> {
  const { body } = await product.api('GET', `/api/v1/verdict?image=${encodeURIComponent(image)}`)
  return (body as { state: string }).state
}

async function findingOf(image: string): Promise<{ id: string; exception?: unknown } | undefined> {
  const { body } = await product.api('GET', `/api/v1/scan?image=${encodeURIComponent(image)}`)
  const { items } = body as { items: { findings: { id: string; exception?: unknown }[] }[] }
  return items[0]?.findings.find(({ id }) => id === vulnerability)
}

async function becomes(image: string, state: string): Promise<void> {
  await until(async () => (await verdictOf(image)) === state)
}

/** Long enough for a judgement that was asked for to have been made. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1_500))
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.fail('it did not become so within 20 s')
}
