import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parsePolicy } from '../../src/policy/index.ts'
import { exportFormats } from '../../src/runtime/wire.ts'
import { askInProd, exportPolicy } from '../fixtures/signing-policy.ts'
import { runToEnd, startProduct, type Product, type Ran } from '../fixtures/start-product.ts'

const root = join(import.meta.dirname, '../..')
let product: Product
let folder: string

before(async () => {
  product = await startProduct()
  folder = mkdtempSync(join(tmpdir(), 'pratique-export-'))
  await askInProd(product, { require: [{ name: 'release', signers: ['server'] }] })
})
after(async () => {
  await product.stop()
  rmSync(folder, { recursive: true, force: true })
})

test('every format is written, and nothing that is there is overwritten unless that is asked for', async () => {
  for (const format of Object.keys(exportFormats)) {
    const output = join(folder, format)
    await exportPolicy(product, format, output)
    await assert.rejects(
      exportPolicy(product, format, output),
      /exit 2.*there already; overwrite with --force/s,
    )
    const told = await exportPolicy(product, format, output, '--force')
    for (const line of told.split('\n').filter((one) => !one.startsWith('/')))
      assert.ok(line.length <= 80, line)
  }
  assert.equal(
    statSync(join(folder, 'containerd/opt/containerd/image-verifier/bin/10-pratique')).mode & 0o777,
    0o755,
  )
})

test('the trust that nodes fetch needs a sign-in, and a name of the registry', async () => {
  const ask = (query: string, headers: Record<string, string>): Promise<Response> =>
    fetch(`${product.url}/api/v1/runtime/trust${query}`, { headers })
  const account = { authorization: product.basic() }
  assert.equal((await ask('?registry=r.test', {})).status, 401)
  assert.equal((await ask('', account)).status, 400)
  assert.equal((await ask('?registry=a/b', account)).status, 400)
  const answer = await ask('?registry=r.test', account)
  assert.equal(answer.status, 200)
  assert.match(answer.headers.get('content-type') ?? '', /sigstore\.bundle/)
})

test('a node fetches what changed, and keeps what it has when another key signed', async () => {
  const output = join(folder, 'node')
  await exportPolicy(product, 'containerd', output)
  const [configPath, trustPath] = ['node.json', 'trust.json'].map((name) =>
    join(output, 'etc/pratique', name),
  ) as [string, string]
  writeFileSync(
    join(output, 'etc/pratique/credentials.json'),
    JSON.stringify({ username: 'admin', password: product.password }),
    { mode: 0o600 },
  )
  await askInProd(product, { bindReference: 'tag', require: [{ name: 'release', signers: ['server'] }] })
  const before = readFileSync(trustPath, 'utf8')
  const fetched = await onNode(configPath, ['node', 'refresh'])
  assert.equal(fetched.code, 0, fetched.stderr)
  const after = readFileSync(trustPath, 'utf8')
  assert.notEqual(after, before)
  const rotated = await product.cli(['signer', 'server-key', '--rotate'])
  assert.equal(rotated.code, 0, rotated.stderr)
  const refused = await onNode(configPath, ['node', 'refresh'])
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /the trust of the server does not hold/)
  assert.equal(readFileSync(trustPath, 'utf8'), after)
  assert.ok(!existsSync(`${trustPath}.new`))
})

test('the verifier refuses on a node that is not set up, in one line', async () => {
  const argv = ['node', 'verify-image', '-name', 'r.test/a:1', '-digest', `sha256:${'0'.repeat(64)}`]
  const { code, stdout } = await onNode(join(folder, 'nowhere.json'), argv)
  assert.equal(code, 1)
  assert.match(stdout, /^[^\n]*nowhere\.json cannot be read[^\n]*\n$/)
})

test('the policy for Kubernetes’ own releases is one that can be applied once its signer is known', async () => {
  const file = join(root, 'docs/policies/kubernetes-releases.yaml')
  assert.ok(parsePolicy(readFileSync(file, 'utf8')))
  const without = await product.cli(['policy', 'apply', file])
  assert.notEqual(without.code, 0)
  assert.match(without.stderr, /kubernetes-images/)
  const identity = [
    '--identity',
    'krel-trust@k8s-releng-prod.iam.gserviceaccount.com',
    '--issuer',
    'https://accounts.google.com',
    '--trusted-root',
    join(root, 'docs/policies/sigstore-root/trusted_root.json'),
  ]
  const added = await product.cli(['signer', 'add', 'kubernetes-images', ...identity])
  assert.equal(added.code, 0, added.stderr)
  const applied = await product.cli(['policy', 'apply', file])
  assert.equal(applied.code, 0, applied.stderr)
  await exportPolicy(product, 'containers', join(folder, 'kubernetes'))
  const written = readFileSync(join(folder, 'kubernetes/etc/containers/policy.json'), 'utf8')
  const { transports } = JSON.parse(written) as {
    transports: { docker: Record<string, { fulcio?: object }[]> }
  }
  const [requirement] = transports.docker[`${product.host}/k8s`] ?? []
  assert.ok(requirement?.fulcio, written)
})

function onNode(configPath: string, argv: readonly string[]): Promise<Ran> {
  return runToEnd(join(root, 'bin/pratique'), argv, {
    PRATIQUE_NODE_CONFIG: configPath,
    XDG_CONFIG_HOME: join(folder, 'config'),
  })
}
