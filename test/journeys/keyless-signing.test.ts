import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { buildImage } from '../fixtures/build-image.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { startSigstoreStack, type SigstoreStack } from '../fixtures/sigstore-stack.ts'
import { startProduct, type Product, type Ran } from '../fixtures/start-product.ts'

let product: Product
let sigstore: SigstoreStack
const issuer = 'https://idp.example'
const email = 'builder@corp.example'

before(async () => {
  product = await startProduct()
  sigstore = await startSigstoreStack()
  writeFileSync(path('root.json'), sigstore.trustedRoot)
  writeFileSync(path('token'), sigstore.token(email, issuer))
})
after(async () => {
  await product.stop()
  await sigstore.stop()
})

const path = (name: string): string => join(product.folder, name)

async function push(repository: string): Promise<void> {
  const image = await buildImage({ layers: [{ a: repository }] })
  await pushImage({ url: product.url, authorization: product.basic() }, repository, '1', image)
}

async function sign(image: string, ...witnesses: string[]): Promise<Ran> {
  const keyless = ['--fulcio', sigstore.fulcioUrl, '--identity-token', path('token')]
  return product.cli(['sign', ...keyless, ...witnesses, image])
}

function verify(image: string, ...identity: string[]): Promise<Ran> {
  return product.cli(['verify', '--trusted-root', path('root.json'), ...identity, image])
}

test('a certificate for a token signs both forms, with the log and the authority as witnesses of the time', async () => {
  await push('dev/keyless')
  const signed = await sign(
    'dev/keyless:1',
    '--rekor',
    sigstore.rekorUrl,
    '--timestamp-server',
    sigstore.tsaUrl,
  )
  assert.equal(signed.code, 0, signed.stdout + signed.stderr)
  const good = await verify('dev/keyless:1', '--identity', email, '--issuer', issuer)
  assert.equal(good.code, 0, good.stdout + good.stderr)
  const forms = [...good.stdout.matchAll(/good {2}signature\n +([a-z-]+),/g)].map(([, form = '']) => form)
  assert.deepEqual(forms.toSorted(), ['cosign-legacy', 'sigstore-bundle'], good.stdout)
  assert.equal(good.stdout.match(/proven by a log and an authority/g)?.length, 2)
  assert.match(good.stdout, new RegExp(`certificate of ${email}`))
})

for (const [name, identity] of [
  ['another name', ['--identity', 'other@corp.example', '--issuer', issuer]],
  ['another issuer', ['--identity', email, '--issuer', 'https://idp.example.evil']],
  ['a name that only begins alike', ['--identity', 'builder@corp.exampl', '--issuer', issuer]],
  ['a pattern that does not cover it', ['--identity-glob', '*@evil.example', '--issuer', issuer]],
] as const) {
  test(`it does not count for ${name}`, async () => {
    const refused = await verify('dev/keyless:1', ...identity)
    assert.equal(refused.code, 1, refused.stdout + refused.stderr)
    assert.match(refused.stdout, /^untrusted/)
  })
}

test('it counts for a pattern over the whole name, and for a policy of the server', async () => {
  const good = await verify('dev/keyless:1', '--identity-glob', '*@corp.example', '--issuer', issuer)
  assert.equal(good.code, 0, good.stdout)
  const added = await product.cli(
    ['signer', 'add', 'builder', '--trusted-root', path('root.json')].concat(
      '--identity',
      email,
      '--issuer',
      issuer,
    ),
  )
  assert.equal(added.code, 0, added.stderr)
  writeFileSync(
    path('policy.yaml'),
    'stages: [{ name: dev, prefix: dev, rules: { signatures: { requireLog: true, requireTimestamp: true, require: [{ name: built, signers: [builder] }] } } }]\n',
  )
  assert.equal((await product.cli(['policy', 'apply', path('policy.yaml')])).code, 0)
  const tested = await product.cli(['policy', 'test', 'dev/keyless:1', '--explain'])
  assert.equal(tested.code, 0, tested.stdout + tested.stderr)
})

test('without a witness of the time it is said, and a log is missing where one is needed', async () => {
  await push('dev/unwitnessed')
  const signed = await sign('dev/unwitnessed:1')
  assert.equal(signed.code, 0, signed.stderr)
  assert.match(signed.stderr, /warning: nothing proves the time/)
  const refused = await verify('dev/unwitnessed:1', '--identity', email, '--issuer', issuer)
  assert.equal(refused.code, 1)
  const relaxed = await verify('dev/unwitnessed:1', '--identity', email, '--issuer', issuer, '--without-log')
  assert.equal(relaxed.code, 0, relaxed.stdout)
})

test('an authority that does not answer signs nothing, and says so', async () => {
  await push('dev/unsigned')
  const failed = await product.cli([
    'sign',
    '--fulcio',
    'http://127.0.0.1:9',
    '--identity-token',
    path('token'),
    'dev/unsigned:1',
  ])
  assert.equal(failed.code, 2)
  assert.match(failed.stderr, /nothing was signed/)
})
