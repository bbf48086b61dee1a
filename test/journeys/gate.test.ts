import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pack } from 'tar-stream'
import { buffer } from 'node:stream/consumers'
import { buildImage, makeTar, type LayerFiles } from '../fixtures/build-image.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { runToEnd, startProduct, type Product, type Ran } from '../fixtures/start-product.ts'
import { writeOciLayout } from '../fixtures/write-oci-layout.ts'
import { runImport } from '../../src/scanning/vulndb/run-import.ts'

const program = join(import.meta.dirname, '../../bin/pratique')
const advisories = join(import.meta.dirname, '../fixtures/advisories')

const application = (version: string): LayerFiles => ({
  'srv/node_modules/minimist/package.json': JSON.stringify({ name: 'minimist', version }),
})
const layers = (version: string): LayerFiles[] => [
  { 'etc/os-release': 'ID=alpine\nVERSION_ID=3.20.1\nPRETTY_NAME="Alpine Linux v3.20"\n' },
  application(version),
]

let folder: string
let vulndb: string
let product: Product

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pratique-gate-'))
  vulndb = join(folder, 'vulndb')
  await runImport(vulndb, advisories)
  await writeOciLayout(join(folder, 'bad'), layers('0.2.3'))
  await writeOciLayout(join(folder, 'good'), layers('1.2.8'))
  product = await startProduct()
  assert.equal((await product.cli(['vulndb', 'import', advisories])).code, 0)
})

after(async () => {
  await product.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** Without a server, and with nothing of the machine's own settings. */
function scan(...args: string[]): Promise<Ran> {
  return runToEnd(
    program,
    ['scan', ...args],
    { HOME: folder, XDG_CACHE_HOME: join(folder, 'cache') },
    { cwd: folder },
  )
}

describe('what can be scanned', () => {
  const minimist = /critical +CVE-2021-44906 +minimist +0\.2\.3 +0\.2\.4/

  test('an OCI layout, by its folder', async () => {
    const { code, stdout } = await scan('bad', '--vulndb', vulndb)
    assert.equal(code, 1, stdout)
    assert.match(stdout, minimist)
    assert.match(stdout, /^FAILED$/m)
    assert.equal((await scan('oci-layout:good:latest', '--vulndb', vulndb)).code, 0)
  })

  test('an archive of an OCI layout, packed or not', async () => {
    execFileSync('tar', ['-C', join(folder, 'bad'), '-czf', join(folder, 'bad.tar.gz'), '.'])
    const { code, stdout } = await scan('archive:bad.tar.gz', '--vulndb', vulndb)
    assert.equal(code, 1, stdout)
    assert.match(stdout, minimist)
  })

  test('what docker save writes', async () => {
    writeFileSync(join(folder, 'saved.tar'), await dockerArchive('shop:1.0', layers('0.2.3')))
    const { code, stdout } = await scan('saved.tar', '--vulndb', vulndb)
    assert.equal(code, 1, stdout)
    assert.match(stdout, /^shop:1\.0/)
    assert.match(stdout, minimist)
  })

  test('the root of a file system', async () => {
    for (const [path, content] of Object.entries(Object.assign({}, ...layers('0.2.3')) as LayerFiles)) {
      mkdirSync(dirname(join(folder, 'root', path)), { recursive: true })
      writeFileSync(join(folder, 'root', path), content as string)
    }
    const { code, stdout } = await scan('root', '--vulndb', vulndb)
    assert.equal(code, 1, stdout)
    assert.match(stdout, minimist)
  })

  test('an SBOM, and its findings are those of the image that it was made from', async () => {
    assert.equal((await scan('bad', '--vulndb', vulndb, '--format', 'spdx', '-o', 'bad.spdx.json')).code, 1)
    const { code, stdout } = await scan('bad.spdx.json', '--vulndb', vulndb)
    assert.equal(code, 1, stdout)
    assert.match(stdout, minimist)
  })

  test('an image in another registry, with the sign-in that docker keeps', async () => {
    await pushImage(
      { url: product.url, authorization: product.basic() },
      'dev/far',
      '1',
      await buildImage({ layers: layers('0.2.3') }),
    )
    const { host } = new URL(product.url)
    mkdirSync(join(folder, '.docker'), { recursive: true })
    const auth = product.basic().replace('Basic ', '')
    writeFileSync(join(folder, '.docker/config.json'), JSON.stringify({ auths: { [host]: { auth } } }))
    const { code, stdout, stderr } = await scan(`registry:${host}/dev/far:1`, '--local', '--vulndb', vulndb)
    assert.equal(code, 1, stdout + stderr)
    assert.match(stdout, minimist)
    const missing = await scan(`registry:${host}/dev/far:2`, '--local', '--vulndb', vulndb)
    assert.equal(missing.code, 2)
    assert.match(missing.stderr, /has no manifests\/2/)
  })

  test('an image of the server, which says what its policy says', async () => {
    await pushImage(
      { url: product.url, authorization: product.basic() },
      'prod/shop',
      '1',
      await buildImage({ layers: layers('0.2.3') }),
    )
    const { code, stdout } = await product.cli(['scan', 'prod/shop:1'])
    assert.equal(code, 1, stdout)
    assert.match(stdout, minimist)
  })

  test('a file with a server to ask: its database and the rules of a stage', async () => {
    const dev = await product.cli(['scan', join(folder, 'bad'), '--stage', 'dev'])
    assert.equal(dev.code, 0, dev.stdout + dev.stderr)
    const prod = await product.cli(['scan', join(folder, 'bad'), '--stage', 'prod'])
    assert.equal(prod.code, 1, prod.stdout + prod.stderr)
    assert.match(prod.stdout, minimist)
    const tightened = await product.cli([
      'scan',
      join(folder, 'bad'),
      '--stage',
      'dev',
      '--fail-on',
      'critical',
    ])
    assert.equal(tightened.code, 1, 'rules of the command line can only tighten')
  })
})

describe('exit codes', () => {
  const cases: readonly [what: string, args: readonly string[], code: number, said: RegExp][] = [
    ['nothing at or above the severity', ['good', '--fail-on', 'low'], 0, /^CLEARED$/m],
    ['a policy that fails', ['bad', '--policy', 'policy.yaml', '--stage', 'strict'], 1, /^FAILED$/m],
    ['a policy that holds', ['bad', '--policy', 'policy.yaml', '--stage', 'lax'], 0, /^CLEARED$/m],
    ['no vulnerability database', ['good'], 3, /^UNDETERMINED$/m],
    ['what cannot be read', ['broken'], 3, /^UNSCANNABLE$/m],
    ['a target that is none', ['nowhere.tar', '--local'], 2, /no file or folder here/],
    [
      'a stage that is none',
      ['bad', '--policy', 'policy.yaml', '--stage', 'nosuch'],
      2,
      /there is no stage nosuch/,
    ],
    ['a format that is none', ['good', '--format', 'nosuch'], 2, /no report format/],
    ['a report in no form', ['good', '--report', 'nosuch=x'], 2, /nosuch is no report format/],
    ['a report that goes nowhere', ['good', '--report', 'json='], 2, /takes FORMAT=FILE/],
    ['two reports in one file', ['good', '--report', 'json=a', '-o', './a'], 2, /two reports cannot both/],
    ['a folder that is not there', ['good', '-o', 'nosuch/report'], 2, /there is no folder/],
    ['a time that is none', ['good', '--timeout', 'soon'], 2, /it takes seconds/],
    ['a folder without a database', ['good', '--vulndb', 'good'], 2, /no vulnerability database in good/],
    [
      'a policy that is none',
      ['good', '--policy', 'good/oci-layout', '--stage', 'x'],
      2,
      /policy is not valid/,
    ],
    ['a platform that is not there', ['good', '--platform', 'plan9/amd64'], 2, /no image for plan9/],
  ]
  before(() => {
    writeFileSync(
      join(folder, 'policy.yaml'),
      'stages:\n  - {name: lax, prefix: a, rules: {scanned: true}}\n' +
        '  - {name: strict, prefix: b, rules: {scanned: true, findings: {atLeast: high, onlyFixed: true}}}\n',
    )
    cpSync(join(folder, 'good'), join(folder, 'broken'), { recursive: true })
    const { manifests } = JSON.parse(readFileSync(join(folder, 'broken/index.json'), 'utf8')) as {
      manifests: { digest: string }[]
    }
    const blob = (digest: string): string => join(folder, 'broken/blobs/sha256', digest.slice(7))
    const manifest = JSON.parse(readFileSync(blob(manifests[0]?.digest ?? ''), 'utf8')) as {
      layers: { digest: string }[]
    }
    writeFileSync(blob(manifest.layers[1]?.digest ?? ''), 'something else')
  })
  for (const [what, args, code, said] of cases) {
    test(`${code}: ${what}`, async () => {
      const withDatabase = what === 'no vulnerability database' ? args : ['--vulndb', vulndb, ...args]
      const ran = await scan(...withDatabase)
      assert.equal(ran.code, code, ran.stdout + ran.stderr)
      assert.match(ran.stdout + ran.stderr, said)
    })
  }
})

test('one scan writes several reports, each in its form', async () => {
  const reports = ['json', 'sarif', 'junit', 'gitlab', 'cyclonedx', 'spdx', 'html', 'markdown']
  const asked = reports.flatMap((name) => ['--report', `${name}=report.${name}`])
  assert.equal((await scan('bad', '--vulndb', vulndb, ...asked)).code, 1)
  for (const name of reports)
    assert.match(readFileSync(join(folder, `report.${name}`), 'utf8'), /minimist/, name)
})

test('a second scan of the same layers reads none of them', async () => {
  const cache = join(folder, 'cache/pratique/layers')
  rmSync(cache, { recursive: true, force: true })
  await scan('good', '--vulndb', vulndb)
  const kept = execFileSync('find', [cache, '-path', '*layer/*', '-type', 'f'], { encoding: 'utf8' })
    .trim()
    .split('\n')
  assert.equal(kept.length, 2)
})

async function dockerArchive(tag: string, files: readonly LayerFiles[]): Promise<Buffer> {
  const image = await buildImage({ layers: files })
  const manifest = JSON.parse(image.manifest.toString()) as { config: { digest: string } }
  const archive = pack()
  const done = buffer(archive)
  const tars = await Promise.all(files.map(makeTar))
  const config = image.blobs.get(manifest.config.digest as never) as Buffer
  for (const [index, tar] of tars.entries()) archive.entry({ name: `${index}/layer.tar` }, tar)
  archive.entry({ name: 'config.json' }, config)
  const saved = {
    Config: 'config.json',
    RepoTags: [tag],
    Layers: tars.map((_, index) => `${index}/layer.tar`),
  }
  archive.entry({ name: 'manifest.json' }, JSON.stringify([saved]))
  archive.finalize()
  return done
}
