import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { writeOciLayout } from '../fixtures/write-oci-layout.ts'
import { runToEnd, startProduct, type Product, type Ran } from '../fixtures/start-product.ts'
import { findPeers, rootSkip } from './peer.ts'

const advisories = join(import.meta.dirname, '../fixtures/advisories')
const policy = `
stages:
  - { name: dev, prefix: dev, rules: { scanned: true } }
  - name: staging
    prefix: staging
    rules: { scanned: true, findings: { atLeast: high, onlyFixed: true } }
  - name: prod
    prefix: prod
    rules: { scanned: true, findings: { atLeast: high, onlyFixed: true } }
`

let product: Product
let folder: string
let consumer: string

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pratique-real-'))
  product = await startProduct({ PRATIQUE_PULL_WAIT_MS: '500' })
  writeFileSync(join(folder, 'policy.yaml'), policy)
  await succeeds(product.cli(['policy', 'apply', join(folder, 'policy.yaml')]))
  await succeeds(product.cli(['vulndb', 'import', advisories]))
  const made = await succeeds(product.cli(['--json', 'robot', 'add', 'consumer', '--allow', 'pull']))
  const { loginName, secret } = JSON.parse(made.stdout) as { loginName: string; secret: string }
  consumer = `${loginName}:${secret}`
})

after(async () => {
  await product.stop()
  rmSync(folder, { recursive: true, force: true })
})

describe('a real Debian image', () => {
  const { skip, paths } = findPeers('debootstrap', 'buildah', 'skopeo')
  const options = { skip: skip || rootSkip(), timeout: 300_000 }
  const store = (): string[] => [
    '--root',
    `${folder}/b`,
    '--runroot',
    `${folder}/r`,
    '--storage-driver',
    'vfs',
  ]
  const root = (): string => join(folder, 'debian')

  before(
    async () => {
      if (options.skip) return
      await succeeds(
        runToEnd(paths.debootstrap, ['--variant=minbase', 'bookworm', root()], {}, { timeoutMs: 280_000 }),
      )
      const from = await succeeds(runToEnd(paths.buildah, [...store(), 'from', 'scratch']))
      const container = from.stdout.trim()
      await succeeds(runToEnd(paths.buildah, [...store(), 'add', '--quiet', container, root(), '/']))
      await succeeds(
        runToEnd(paths.buildah, [...store(), 'commit', '--quiet', container, `oci:${folder}/layout:latest`]),
      )
      await succeeds(runToEnd(paths.skopeo, copyIn('dev/debian:12')))
    },
    { timeout: 300_000 },
  )

  test('is found to hold exactly the packages that dpkg lists', options, async () => {
    const listed = await succeeds(
      runToEnd('dpkg-query', [
        '--admindir',
        join(root(), 'var/lib/dpkg'),
        '-W',
        '-f',
        '${Package} ${Version}\n',
      ]),
    )
    await product.cli(['scan', 'dev/debian:12'])
    const sbom = await fetch(`${product.url}/api/v1/sbom?image=dev/debian:12`, {
      headers: { authorization: product.basic() },
    })
    const { components } = (await sbom.json()) as {
      components: { name: string; version: string; purl?: string }[]
    }
    const found = components
      .filter(({ purl }) => purl?.startsWith('pkg:deb/'))
      .map(({ name, version }) => `${name} ${version}`)
    assert.deepEqual(found.toSorted(), listed.stdout.trim().split('\n').toSorted())
  })

  test('has real findings, with the instruction that brought them', options, async () => {
    const { stdout } = await succeeds(product.cli(['--json', 'scan', 'dev/debian:12']))
    const scan = JSON.parse(stdout) as {
      inventory: { operatingSystem: { prettyName: string } }
      report: {
        findings: { id: string; packageName: string; fixedVersion?: string; instruction?: string }[]
      }
    }
    assert.match(scan.inventory.operatingSystem.prettyName, /Debian GNU\/Linux 12/)
    const finding = scan.report.findings.find(({ packageName }) => packageName === 'perl-base')
    assert.match(finding?.id ?? '', /^CVE-/)
    assert.ok(finding?.fixedVersion)
    assert.ok(finding.instruction)
  })

  test('is quarantined in staging, and skopeo prints our message', options, async () => {
    await succeeds(runToEnd(paths.skopeo, copyIn('staging/debian:12')))
    const scanned = await product.cli(['scan', 'staging/debian:12'])
    assert.equal(scanned.code, 1, scanned.stdout)
    const pulled = await runToEnd(paths.skopeo, copyOut('staging/debian:12'))
    assert.notEqual(pulled.code, 0)
    assert.match(pulled.stderr, /is quarantined: rule findings: .*CVE-/)
    const refused = await product.cli(['promote', 'dev/debian:12', '--to', 'staging'])
    assert.equal(refused.code, 1)
  })

  test('a clean image goes to prod, and skopeo brings it back byte for byte', options, async () => {
    await writeOciLayout(join(folder, 'clean'), [{ 'etc/os-release': 'ID=clean\n', hello: 'hello' }])
    await succeeds(runToEnd(paths.skopeo, copyIn('dev/clean:1', 'clean')))
    await succeeds(product.cli(['scan', 'dev/clean:1']))
    await succeeds(product.cli(['promote', 'dev/clean:1', '--to', 'staging']))
    await succeeds(product.cli(['promote', 'staging/clean:1', '--to', 'prod']))
    await succeeds(runToEnd(paths.skopeo, copyOut('prod/clean:1')))
    const indexes = ['clean', 'out'].map((name) => readFileSync(join(folder, name, 'index.json'), 'utf8'))
    const digests = indexes.map(
      (text) => (JSON.parse(text) as { manifests: { digest: string }[] }).manifests[0]?.digest,
    )
    assert.equal(digests[0], digests[1])
  })

  const copyIn = (image: string, layout = 'layout'): string[] => [
    'copy',
    '--dest-tls-verify=false',
    '--dest-creds',
    `admin:${product.password}`,
    `oci:${folder}/${layout}:latest`,
    `docker://${product.host}/${image}`,
  ]
  const copyOut = (image: string): string[] => [
    'copy',
    '--src-tls-verify=false',
    '--src-creds',
    consumer,
    `docker://${product.host}/${image}`,
    `oci:${folder}/out:latest`,
  ]
})

describe('containerd', () => {
  const { skip, paths } = findPeers('containerd', 'ctr')

  test(
    'pulls what is cleared and prints why it may not pull the rest',
    { skip: skip || rootSkip(), timeout: 60_000 },
    async () => {
      await writeOciLayout(join(folder, 'for-containerd'), [{ hello: 'containerd' }])
      await succeeds(product.cli(['push', join(folder, 'for-containerd'), 'dev/ctr:1']))
      await succeeds(product.cli(['scan', 'dev/ctr:1']))
      const home = mkdtempSync(join(folder, 'containerd-'))
      mkdirSync(join(home, 'state'))
      writeFileSync(
        join(home, 'config.toml'),
        `version = 2\nroot = "${home}/root"\nstate = "${home}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n` +
          `[grpc]\n  address = "${home}/sock"\n[ttrpc]\n  address = "${home}/ttrpc"\n`,
      )
      const daemon = spawn(
        paths.containerd,
        ['--config', join(home, 'config.toml'), '--log-level', 'error'],
        { stdio: 'ignore' },
      )
      try {
        for (let waited = 0; !existsSync(join(home, 'sock')) && waited < 100; waited++) {
          await new Promise((resolve) => setTimeout(resolve, 100))
        }
        const pull = [
          '--address',
          join(home, 'sock'),
          'images',
          'pull',
          '--plain-http',
          '--snapshotter',
          'native',
          '--user',
          consumer,
        ]
        await succeeds(runToEnd(paths.ctr, [...pull, `${product.host}/dev/ctr:1`]))
        await succeeds(product.cli(['quarantine', 'dev/ctr:1', '--reason', 'to see it refused']))
        await writeOciLayout(join(folder, 'other'), [{ hello: 'other' }])
        const refused = await runToEnd(paths.ctr, [...pull, `${product.host}/dev/ctr:1`])
        assert.notEqual(refused.code, 0)
        assert.match(refused.stderr, /403 Forbidden|quarantined/)
      } finally {
        daemon.kill('SIGTERM')
        await new Promise((resolve) => daemon.once('exit', resolve))
      }
    },
  )
})

async function succeeds(running: Promise<Ran>): Promise<Ran> {
  const ran = await running
  assert.equal(ran.code, 0, `${ran.stdout}\n${ran.stderr}`)
  return ran
}
