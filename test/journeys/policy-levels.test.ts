import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { CheckBody, EffectiveBody, TestBody } from '../../src/policy/wire.ts'
import { buildImage, buildIndex, type BuiltImage } from '../fixtures/build-image.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { signImage } from '../fixtures/sign-image.ts'
import { startProduct, type Product } from '../fixtures/start-product.ts'

const pageWidth = 80
const organisation = (signatures: string): string => `
organisation:
  rules:
    scanned: true
    signatures: ${signatures}
stages:
  - { name: dev, prefix: dev, rules: {} }
  - { name: prod, prefix: prod, rules: { unknownFiles: { max: 0 } } }
others: { rules: {} }
`
const clause = '[{ name: release, signers: [alice, bob] }]'

let product: Product
let image: BuiltImage
let other: BuiltImage
let robot: { username: string; password: string }
const keys = new Map<string, KeyObject>()

before(async () => {
  product = await startProduct({ PRATIQUE_PULL_WAIT_MS: '300' })
  for (const name of ['alice', 'bob']) {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    keys.set(name, privateKey)
    const file = write(`${name}.pub`, publicKey.export({ type: 'spki', format: 'pem' }) as string)
    await runs('signer', 'add', name, '--key', file)
  }
  const made = await runs('--json', 'robot', 'add', 'reader', '--allow', 'pull', '--repositories', '**')
  const { loginName, secret } = JSON.parse(made) as { loginName: string; secret: string }
  robot = { username: loginName, password: secret }
  await apply(organisation(`{ mode: warn, require: ${clause} }`))
  image = await buildImage({ layers: [{ 'app.txt': 'signed by alice' }] })
  other = await buildImage({ layers: [{ 'app.txt': 'signed by nobody' }] })
  await pushImage(target(), 'shop/app', '1.0', image)
  await pushImage(target(), 'shop/other', '1.0', other)
  await signImage(target(), 'shop/app', image, key('alice'))
  for (const name of ['shop/app:1.0', 'shop/other:1.0']) await runs('scan', name)
  await until(async () => (await verdictOf('shop/app:1.0')) === 'cleared')
})

after(() => product.stop())

test('what only warns clears an unsigned image, and shows in its verdict', async () => {
  assert.equal(await verdictOf('shop/other:1.0'), 'cleared')
  const shown = await runs('inspect', 'shop/other:1.0')
  assert.match(shown, /warn {2}signatures \(organisation\)/)
})

test('a project cannot loosen what the organisation asks, and the refusal names both', async () => {
  const file = write('loose.yaml', 'rules: { signatures: { mode: audit } }\n')
  for (const verb of ['check', 'apply']) {
    const refused = await product.cli(['policy', verb, file, '--project', 'shop'])
    assert.equal(refused.code, 2, refused.stdout)
    assert.match(
      refused.stderr.replaceAll(/\s+/g, ' '),
      /project shop says mode audit, but organisation says warn; a lower level can only tighten/,
    )
  }
})

test('a project cannot let more people sign than the organisation names', async () => {
  const file = write(
    'more.yaml',
    'rules: { signatures: { require: [{ name: release, signers: [alice, carol] }] } }\n',
  )
  const refused = await product.cli(['policy', 'apply', file, '--project', 'shop'])
  assert.match(
    refused.stderr.replaceAll(/\s+/g, ' '),
    /clause release: signers carol, but organisation says alice, bob/,
  )
})

test('a policy that names a signer that there is not is refused with the remedy', async () => {
  const file = write('unknown.yaml', organisation('{ require: [{ name: r, signers: [nobody] }] }'))
  const refused = await product.cli(['policy', 'apply', file])
  assert.match(
    refused.stderr.replaceAll(/\s+/g, ' '),
    /organisation, clause r: there is no signer nobody; name one first \(pratique signer add nobody/,
  )
})

test('a policy with a condition that is no expression is refused, and level and clause are named', async () => {
  const conditional =
    '[{ name: built, claim: provenance, signers: [alice], conditions: ["predicate.runDetails =="] }]'
  const refused = await product.cli([
    'policy',
    'apply',
    write('condition.yaml', organisation(`{ require: ${conditional} }`)),
  ])
  assert.match(
    refused.stderr.replaceAll(/\s+/g, ' '),
    /organisation, clause built: the condition "predicate.runDetails ==" is not valid/,
  )
})

test('a check says what a tighter project would block, where, why and from when', async () => {
  const file = write('tight.yaml', 'rules: { signatures: { mode: enforce } }\n')
  const checked = await product.cli(['policy', 'check', file, '--project', 'shop'])
  assert.equal(checked.code, 1, checked.stdout + checked.stderr)
  assert.match(checked.stdout, /^wouldBlock: 1 of 2$/m)
  assert.match(checked.stdout, /1 image: signatures \(organisation\)/)
  assert.match(checked.stdout, /tags 1\.0/)
  assert.match(checked.stdout, /cannot be pulled from \d{4}-/)
  const json = JSON.parse(
    (await product.cli(['--json', 'policy', 'check', file, '--project', 'shop'])).stdout,
  ) as CheckBody
  assert.equal(json.changes[0]?.repository, 'shop/other')
  assert.deepEqual(json.blockers, [{ level: 'organisation', rule: 'signatures', images: 1 }])
  assert.equal(await verdictOf('shop/other:1.0'), 'cleared', 'a check changes nothing')
})

test('a tighter project is applied, and its unsigned image is recalled', async () => {
  const file = write('tight.yaml', 'rules: { signatures: { mode: enforce } }\n')
  assert.match(await runs('policy', 'apply', file, '--project', 'shop'), /Policy of project shop, version 1/)
  assert.match(await runs('policy', 'show', '--project', 'shop'), /mode: enforce/)
  await until(async () => (await verdictOf('shop/other:1.0')) === 'recalled')
  assert.equal(await verdictOf('shop/app:1.0'), 'cleared')
})

test('the effective policy of a repository tells where each part comes from', async () => {
  const { levels, parts } = JSON.parse(
    await runs('--json', 'policy', 'show', '--effective', 'shop/app'),
  ) as EffectiveBody
  assert.deepEqual(levels, ['organisation', 'project shop', 'others'])
  const levelOf = (name: string): string | undefined => parts.find((part) => part.name === name)?.level
  assert.equal(levelOf('signatures mode'), 'project shop')
  assert.equal(levelOf('signatures bindReference'), 'organisation (default)')
  assert.equal(levelOf('signatures clause release'), 'organisation')
  assertFits(await runs('policy', 'show', '--effective', 'shop/app'))
})

test('a test explains every level, rule, clause and claim, and fits the page', async () => {
  const shown = await runs('policy', 'test', 'shop/app:1.0', '--explain', '--reference', '1.0')
  const text = shown.replaceAll(/\s+/g, ' ')
  assert.match(text, /levels: organisation → project shop → others/)
  assert.match(text, /pass signatures \(organisation\) release: signed by 1 of alice, bob: alice/)
  assert.match(text, /clause release \(organisation\): met/)
  assert.match(text, /counts: alice, cosign-legacy, ecdsa-p256; time unknown/)
  assert.match(text, /pass tag 1\.0 can be pulled under this tag/)
  assertFits(shown)
  const unsigned = await product.cli(['policy', 'test', 'shop/other:1.0', '--explain'])
  assert.equal(unsigned.code, 3)
  assert.match(unsigned.stdout, /open {2}signatures/)
})

test('a test under another policy changes nothing', async () => {
  const file = write(
    'two.yaml',
    organisation('{ mode: enforce, require: [{ name: release, signers: [alice, bob], threshold: 2 }] }'),
  )
  const tested = await product.cli(['--json', 'policy', 'test', 'shop/app:1.0', '--policy', file])
  assert.equal(tested.code, 3, tested.stderr)
  const { images } = JSON.parse(tested.stdout) as TestBody
  const outcome = images[0]?.outcomes.find(({ rule }) => rule === 'signatures')
  assert.match(
    outcome?.message ?? '',
    /signed by 2 of alice, bob: so far alice; missing is a signature of bob/,
  )
  assert.equal(await verdictOf('shop/app:1.0'), 'cleared')
})

test('an index needs a signature of its own, which then stands for what it lists', async () => {
  const index = buildIndex([other])
  await pushImage(target(), 'shop/many', other.digest, other)
  await pushImage(target(), 'shop/many', '1.0', index)
  await until(async () => /signatures/.test(await runs('--json', 'inspect', 'shop/many:1.0')))
  assert.notEqual(await verdictOf('shop/many:1.0'), 'cleared')
  await signImage(target(), 'shop/many', index, key('bob'))
  await until(async () => (await verdictOf('shop/many:1.0')) === 'cleared')
  const shown = await runs('policy', 'test', `shop/many@${other.digest}`)
  assert.match(shown.replaceAll(/\s+/g, ' '), /bob, signed as part of index sha256:/)
})

test('bound to tags, an image is pulled only under those that are signed, and a check says which are lost', async () => {
  const tagged = await buildImage({ layers: [{ 'app.txt': 'signed for 1.0' }] })
  for (const tag of ['1.0', 'moved']) await pushImage(target(), 'shop/tagged', tag, tagged)
  await signImage(target(), 'shop/tagged', tagged, key('alice'), {
    reference: 'registry.example/shop/tagged:1.0',
  })
  await runs('scan', 'shop/tagged:1.0')
  await until(async () => (await verdictOf('shop/tagged:1.0')) === 'cleared')
  const file = write('tags.yaml', organisation(`{ bindReference: tag, require: ${clause} }`))
  const checked = await product.cli(['--json', 'policy', 'check', file])
  const { changes } = JSON.parse(checked.stdout) as CheckBody
  const change = changes.find(({ repository }) => repository === 'shop/tagged')
  assert.deepEqual([change?.to, change?.refusedTags], ['cleared', ['moved']])
  const asked = (tag: string) => ['policy', 'test', 'shop/tagged:1.0', '--policy', file, '--reference', tag]
  assert.equal((await product.cli(asked('1.0'))).code, 0)
  assert.equal((await product.cli(asked('moved'))).code, 1)
  await runs('policy', 'apply', file)
  await until(async () => (await statusOf('shop/tagged/manifests/moved')) === 403)
  assert.equal(await statusOf('shop/tagged/manifests/1.0'), 200)
  assert.equal(await statusOf(`shop/tagged/manifests/${tagged.digest}`), 200)
})

test('the organisation may become stricter than a project says, and is told which projects are looser now', async () => {
  const stricter = organisation('{ mode: enforce, require: [{ name: release, signers: [bob] }] }')
  const narrow = write(
    'narrow.yaml',
    'rules: { signatures: { require: [{ name: release, signers: [alice] }] } }\n',
  )
  await runs('policy', 'apply', narrow, '--project', 'shop')
  const file = write('stricter.yaml', stricter)
  const checked = await product.cli(['policy', 'check', file])
  assert.match(
    checked.stdout.replaceAll(/\s+/g, ' '),
    /warning: project shop says clause release: signers alice, but organisation says bob/,
  )
  assert.match((await runs('policy', 'apply', file)).replaceAll(/\s+/g, ' '), /warning: project shop says/)
})

test('only those who administer a project see and change its policy', async () => {
  const authorization = product.basic(robot.username, robot.password)
  const path = `${product.url}/api/v1/projects/shop/policy`
  assert.equal((await fetch(path, { headers: { authorization } })).status, 403)
  const unknown = await product.cli(['policy', 'show', '--project', 'nowhere'])
  assert.match(unknown.stderr, /there is no project nowhere/)
})

function assertFits(text: string): void {
  for (const line of text.split('\n')) assert.ok(line.length <= pageWidth, line)
}

function key(name: string): KeyObject {
  return keys.get(name) ?? assert.fail(name)
}

function target(): { url: string; authorization: string } {
  return { url: product.url, authorization: product.basic() }
}

async function apply(text: string): Promise<void> {
  await runs('policy', 'apply', write('policy.yaml', text))
}

function write(name: string, text: string): string {
  const file = join(product.folder, name)
  writeFileSync(file, text)
  return file
}

async function runs(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await product.cli(args)
  assert.equal(code, 0, `pratique ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

async function verdictOf(name: string): Promise<string> {
  const { body } = await product.api('GET', `/api/v1/verdict?image=${encodeURIComponent(name)}`)
  return (body as { state: string }).state
}

/** As somebody who may pull everything and nothing else. */
async function statusOf(path: string): Promise<number> {
  const authorization = product.basic(robot.username, robot.password)
  return (await fetch(`${product.url}/v2/${path}`, { headers: { authorization } })).status
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, 'it did not come about in time')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
