import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { verifyImage, type Signer, type Verification } from '../../src/signing/offline.ts'
import { buildImage, buildIndex, type BuiltImage } from '../fixtures/build-image.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { registryEvidence } from '../fixtures/registry-evidence.ts'
import { signImage } from '../fixtures/sign-image.ts'
import { startProduct, type Product } from '../fixtures/start-product.ts'

const vsa = 'https://slsa.dev/verification_summary/v1'
const stages = (prod: string, organisation = ''): string => `
${organisation}
stages:
  - { name: dev, prefix: dev, rules: { scanned: true } }
  - name: prod
    prefix: prod
    rules:
      scanned: true
      signatures:
        ${prod}
`
const released = 'require: [{ name: release, signers: [release] }]'

let product: Product
let consumer: string
const keys: Record<string, KeyObject> = {}

before(async () => {
  product = await startProduct({ PRATIQUE_PULL_WAIT_MS: '300' })
  const made = await product.api('POST', '/api/v1/robots', {
    name: 'consumer',
    actions: ['pull'],
    repositories: '**',
  })
  const { loginName, secret } = made.body as { loginName: string; secret: string }
  consumer = product.basic(loginName, secret)
  await addSigner('release')
  await apply(stages(released))
})
after(() => product.stop())

test('an unsigned image is not promoted, and the refusal names the clause and the remedy', async () => {
  await push('dev/app', '1', await image('app'))
  const refused = await product.cli(['promote', 'dev/app:1', '--to', 'prod'])
  assert.equal(refused.code, 3)
  assert.match(refused.stdout.replaceAll(/\s+/g, ' '), /signatures.*release.*unsigned/i)
})

test('what is promoted is signed by the server under its new name, with a summary of why', async () => {
  const app = await image('app')
  await sign('dev/app', app, 'release')
  await runs('promote', 'dev/app:1', '--to', 'prod')
  const { claims } = await verifyAsServer('prod/app', app)
  const names = claims.map(({ claim, reference, format }) => [format, claim, reference])
  for (const format of ['cosign-legacy', 'sigstore-bundle']) {
    assert.ok(
      names.some(
        ([one, claim, name]) =>
          one === format && claim === 'signature' && name === `${product.host}/prod/app:1`,
      ),
      `${format} is missing: ${JSON.stringify(names)}`,
    )
  }
  const summary = claims.find(({ claim }) => claim === vsa)?.predicate as Record<string, unknown>
  assert.equal(summary['verificationResult'], 'PASSED')
  assert.match(JSON.stringify(summary['policy']), /version=\d+.*sha256/)
  assert.match(JSON.stringify(summary['inputAttestations']), /oci:\/\/prod\/app@sha256:/)
  assert.match(JSON.stringify(summary['pratique']), /"rule":"signatures","outcome":"pass"/)
})

test('the source keeps no word of the server, and no summary is there of what was refused', async () => {
  const app = await image('app')
  assert.deepEqual((await verifyAsServer('dev/app', app)).claims.filter(isOfPromotion), [])
})

test('the same promotion again signs nothing again, and takes away nothing that was signed at the target', async () => {
  const app = await image('app')
  await sign('prod/app', app, 'release', `${product.host}/prod/app:1`)
  const tag = `${app.digest.replace(':', '-')}.sig`
  await runs('promote', 'dev/app:1', '--to', 'prod')
  const once = await manifestOf('prod/app', tag)
  await runs('promote', 'dev/app:1', '--to', 'prod')
  assert.equal(await manifestOf('prod/app', tag), once)
  const { layers } = JSON.parse(once) as { layers: unknown[] }
  assert.equal(layers.length, 3, 'of dev, of prod and of the server')
  const { claims } = await verifyAsServer('prod/app', app)
  assert.equal(claims.filter(({ claim }) => claim === vsa).length, 1)
})

test('the signature of before still counts where the image was promoted to, also when it is judged again', async () => {
  await judgedAgain('prod/app:1')
  assert.equal(await verdictOf('prod/app:1'), 'cleared')
  assert.equal(await pull('prod/app/manifests/1'), 200)
})

test('attack: a signature that was copied to another repository does not count there', async () => {
  const app = await image('app')
  await push('prod/copy', '1', app)
  await sign('prod/copy', app, 'release', `${product.host}/dev/app`)
  await until('prod/copy:1', 'quarantined')
  assert.match(await reasonsOf('prod/copy:1'), /it names \S+\/dev\/app, not this repository/)
  assert.equal(await pull('prod/copy/manifests/1'), 403)
})

test('an index and each of its platforms are signed by the server, whichever a runtime asks about', async () => {
  const [one, two] = [await image('arm'), await image('amd')]
  const index = buildIndex([one, two])
  for (const child of [one, two]) await push('dev/both', child.digest, child)
  await push('dev/both', '1', index)
  await sign('dev/both', index, 'release')
  await runs('promote', 'dev/both:1', '--to', 'prod')
  for (const subject of [index, one, two]) {
    const { status, claims } = await verifyAsServer('prod/both', subject)
    assert.equal(status, 'verified')
    assert.ok(claims.some(({ claim }) => claim === vsa))
  }
})

test('children that are signed do not sign the index that lists them', async () => {
  const [one, two] = [await image('left'), await image('right')]
  for (const child of [one, two]) {
    await push('prod/parts', child.digest, child)
    await sign('prod/parts', child, 'release')
  }
  await push('prod/parts', '1', buildIndex([one, two]))
  await until(`prod/parts@${one.digest}`, 'cleared')
  await judgedAgain('prod/parts:1')
  assert.notEqual(await verdictOf('prod/parts:1'), 'cleared')
})

test('a release by hand does not stand above the rule on signatures', async () => {
  await push('prod/bare', '1', await image('bare'))
  await runs('scan', 'prod/bare:1').catch(() => '')
  await runs('release', 'prod/bare:1', '--reason', 'in a hurry')
  assert.notEqual(await verdictOf('prod/bare:1'), 'cleared')
  assert.match(await reasonsOf('prod/bare:1'), /does not stand above the rule signatures/)
})

test('an exception from a clause takes two people and an end, is shown, and ends with it', async () => {
  const dora = { username: 'dora', password: 'dora-password-1' }
  await product.api('POST', '/api/v1/users', { name: dora.username, password: dora.password })
  await runs('grant', 'add', 'dora', 'pull,approve', '--repositories', 'prod/**')
  await push('prod/excepted', '1', await image('excepted'))
  const end = new Date(Date.now() + 6_000).toISOString()
  const asked = await product.cli(
    ['--json', 'exception', 'request', '--rule', 'signatures', '--clause', 'release', '--image'].concat(
      'prod/excepted:1',
      '--reason',
      'the HSM is away',
      '--until',
      end,
    ),
    dora,
  )
  assert.equal(asked.code, 0, asked.stderr)
  const { id } = JSON.parse(asked.stdout) as { id: string }
  const alone = await product.cli(['exception', 'approve', id], dora)
  assert.equal(alone.code, 2)
  await runs('exception', 'approve', id)
  await until('prod/excepted:1', 'cleared')
  const shown = await product.cli(['inspect', 'prod/excepted:1'])
  assert.match(shown.stdout.replaceAll(/\s+/g, ' '), /exc\. signatures .*approved by admin: the HSM is away/)
  await until('prod/excepted:1', 'recalled')
})

test('a policy that asks only for the word of the server is met by the promotion itself', async () => {
  await apply(
    stages(
      `require: [{ name: cleared, signers: [server], claim: '${vsa}', conditions: ["predicate.verificationResult == 'PASSED'"] }]`,
    ),
  )
  await push('dev/free', '1', await image('free'))
  await runs('promote', 'dev/free:1', '--to', 'prod')
  await judgedAgain('prod/free:1')
  assert.equal(await verdictOf('prod/free:1'), 'cleared')
  await push('prod/smuggled', '1', await image('smuggled'))
  await judgedAgain('prod/smuggled:1')
  assert.notEqual(await verdictOf('prod/smuggled:1'), 'cleared')
})

test('attack: signed under one tag, it cannot be pulled under another where the policy binds tags', async () => {
  await apply(stages(`{ bindReference: tag, ${released} }`))
  const app = await image('tagged')
  await push('prod/tagged', '1', app)
  await sign('prod/tagged', app, 'release', `${product.host}/prod/tagged:1`)
  await until('prod/tagged:1', 'cleared')
  await push('prod/tagged', 'latest', app)
  assert.equal(await pull('prod/tagged/manifests/1'), 200)
  assert.equal(await pull(`prod/tagged/manifests/${app.digest}`), 200)
  assert.equal(await pull('prod/tagged/manifests/latest'), 403)
  await judgedAgain('prod/tagged:1')
  assert.equal(await pull('prod/tagged/manifests/latest'), 403)
})

test('a successor goes by the name that the policy knows', async () => {
  await apply(stages(released))
  await addSigner('release-2', '--counts-as', 'release')
  const app = await image('succeeded')
  await push('prod/succeeded', '1', app)
  await sign('prod/succeeded', app, 'release-2')
  await until('prod/succeeded:1', 'cleared')
  assert.match(await runs('signer', 'images', 'release-2'), /prod\/succeeded:1 +signature +cleared +yes/)
})

test('one key is one signer, and a name is not used twice', async () => {
  const again = join(product.folder, 'release.pub')
  const same = await product.cli(['signer', 'add', 'other', '--key', again])
  assert.equal(same.code, 2)
  assert.match(same.stderr, /the key of signer release/)
})

test('the server gets a new key, and what it signed before still counts', async () => {
  const before_ = await runs('signer', 'server-key')
  const after_ = await runs('signer', 'server-key', '--rotate')
  assert.notEqual(after_, before_)
  await apply(stages('require: [{ name: cleared, signers: [server] }]'))
  await judgedAgain('prod/free:1')
  assert.equal(await verdictOf('prod/free:1'), 'cleared')
})

test('attack: from the moment at which a signer is compromised nothing of it is served, and there is no grace', async () => {
  await apply(stages(released))
  await until('prod/succeeded:1', 'cleared')
  assert.equal(await pull('prod/succeeded/manifests/1'), 200)
  await runs('signer', 'compromised', 'release-2', '--reason', 'the laptop is gone')
  assert.equal(await pull('prod/succeeded/manifests/1'), 403)
  await until('prod/succeeded:1', 'quarantined')
  const back = await product.cli(['signer', 'activate', 'release-2', '--reason', 'found it'])
  assert.equal(back.code, 2)
  assert.match(back.stderr, /never counts for more again/)
})

function isOfPromotion({ claim, reference }: { claim: string; reference?: string }): boolean {
  return claim === vsa || (claim === 'signature' && reference !== undefined)
}

async function addSigner(name: string, ...options: string[]): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  keys[name] = privateKey
  const file = join(product.folder, `${name}.pub`)
  writeFileSync(file, publicKey.export({ type: 'spki', format: 'pem' }))
  await runs('signer', 'add', name, '--key', file, ...options)
}

async function apply(policy: string): Promise<void> {
  const file = join(product.folder, 'policy.yaml')
  writeFileSync(file, policy)
  await runs('policy', 'apply', file)
}

function image(name: string): Promise<BuiltImage> {
  return buildImage({ layers: [{ 'app.txt': name }] })
}

function target(): { url: string; authorization: string } {
  return { url: product.url, authorization: product.basic() }
}

async function push(repository: string, reference: string, built: BuiltImage): Promise<void> {
  await pushImage(target(), repository, reference, built)
}

async function sign(
  repository: string,
  built: Pick<BuiltImage, 'digest'>,
  signer: string,
  reference = `${product.host}/${repository}`,
): Promise<void> {
  await signImage(target(), repository, built, keys[signer] as KeyObject, { reference })
}

async function verifyAsServer(repository: string, built: BuiltImage): Promise<Verification> {
  const publicKey = (await fetch(`${product.url}/api/v1/server-key`).then((answer) => answer.json())) as {
    publicKey: string
  }
  const server: Signer = { name: 'server', identity: { kind: 'key', ...publicKey }, state: 'active' }
  return verifyImage(
    registryEvidence(product.url, product.basic(), repository),
    { digest: built.digest, mediaType: built.mediaType, size: built.manifest.length },
    [server],
    Date.now(),
  )
}

async function verdictOf(name: string): Promise<string> {
  const { body } = await product.api('GET', `/api/v1/verdict?image=${encodeURIComponent(name)}`)
  return (body as { state: string }).state
}

async function reasonsOf(name: string): Promise<string> {
  const { body } = await product.api('GET', `/api/v1/verdict?image=${encodeURIComponent(name)}`)
  return (body as { reasons: { message: string }[] }).reasons.map(({ message }) => message).join('; ')
}

/** Waits for a verdict that is younger than now. */
async function judgedAgain(name: string): Promise<void> {
  const since = Date.now()
  await runs('policy', 'apply', join(product.folder, 'policy.yaml'))
  for (const deadline = Date.now() + 15_000; Date.now() < deadline;) {
    const { body } = await product.api('GET', `/api/v1/verdict?image=${encodeURIComponent(name)}`)
    if (Date.parse((body as { judgedAt: string }).judgedAt) > since) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`${name} was not judged again`)
}

async function until(name: string, state: string): Promise<void> {
  let last = ''
  for (const deadline = Date.now() + 15_000; Date.now() < deadline;) {
    last = await verdictOf(name)
    if (last === state) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`${name} is ${last}, not ${state}: ${await reasonsOf(name)}`)
}

async function pull(path: string): Promise<number> {
  const answer = await fetch(`${product.url}/v2/${path}`, { headers: { authorization: consumer } })
  await answer.arrayBuffer()
  return answer.status
}

async function manifestOf(repository: string, reference: string): Promise<string> {
  const answer = await fetch(`${product.url}/v2/${repository}/manifests/${reference}`, {
    headers: { authorization: product.basic() },
  })
  return answer.text()
}

async function runs(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await product.cli(args)
  assert.equal(code, 0, `pratique ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}
