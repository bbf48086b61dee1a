import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parse } from 'yaml'
import { runToEnd, startProduct, type Product, type Ran } from '../fixtures/start-product.ts'
import { writeOciLayout } from '../fixtures/write-oci-layout.ts'

const root = join(import.meta.dirname, '../..')
const advisories = join(root, 'test/fixtures/advisories')

/** What each file runs in its step named scan, and the files that its other steps take from it. */
const pipelines: readonly [name: string, script: () => string, taken: readonly string[]][] = [
  ['GitHub Actions', githubScript, ['scan.sarif', 'scan.md', 'sbom.cdx.json']],
  ['GitLab CI', gitlabScript, ['gl-container-scanning-report.json', 'scan.xml', 'sbom.cdx.json']],
  ['Jenkins', jenkinsScript, ['scan.xml', 'scan.html', 'sbom.cdx.json']],
]

let product: Product
let folder: string

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pratique-ci-'))
  mkdirSync(join(folder, 'bin'))
  symlinkSync(join(root, 'bin/pratique'), join(folder, 'bin/pratique'))
  product = await startProduct()
  assert.equal((await product.cli(['vulndb', 'import', advisories])).code, 0)
  const policy =
    'stages:\n  - {name: dev, prefix: dev, rules: {scanned: true, findings: {atLeast: critical}}}\n'
  writeFileSync(join(folder, 'policy.yaml'), policy)
  assert.equal((await product.cli(['policy', 'apply', join(folder, 'policy.yaml')])).code, 0)
})

after(async () => {
  await product.stop()
  rmSync(folder, { recursive: true, force: true })
})

for (const [name, script, taken] of pipelines) {
  describe(name, () => {
    test('lets a clean image through, and leaves the files that its other steps take', async () => {
      const { code, stdout, stderr, workspace } = await run(script(), '1.2.8')
      assert.equal(code, 0, stdout + stderr)
      for (const file of taken) assert.ok(existsSync(join(workspace, file)), file)
    })

    test('stops at a critical vulnerability, says what to change, and leaves the files all the same', async () => {
      const { code, stdout, workspace } = await run(script(), '0.2.3')
      assert.equal(code, 1, stdout)
      assert.match(stdout, /What to change\n.*minimist 0\.2\.3 → 1\.2\.2/)
      for (const file of taken) assert.match(readFileSync(join(workspace, file), 'utf8'), /minimist/, file)
    })
  })
}

/** Runs a step as its runner would: a shell that ends at the first error, in a workspace with the built image. */
async function run(script: string, version: string): Promise<Ran & { workspace: string }> {
  const workspace = mkdtempSync(join(folder, 'workspace-'))
  await writeOciLayout(join(workspace, 'layout'), [
    { 'srv/node_modules/minimist/package.json': JSON.stringify({ name: 'minimist', version }) },
  ])
  const packed = await runToEnd('tar', [
    '-C',
    join(workspace, 'layout'),
    '-cf',
    join(workspace, 'image.tar'),
    '.',
  ])
  assert.equal(packed.code, 0, packed.stderr)
  const ran = await runToEnd(
    'sh',
    ['-e', '-c', script],
    {
      PATH: `${join(folder, 'bin')}:${process.env['PATH']}`,
      HOME: workspace,
      PRATIQUE_SERVER: product.url,
      PRATIQUE_USERNAME: 'admin',
      PRATIQUE_PASSWORD: product.password,
    },
    { cwd: workspace },
  )
  return { ...ran, workspace }
}

function read(file: string): string {
  return readFileSync(join(root, 'docs/ci', file), 'utf8')
}

function githubScript(): string {
  const { jobs } = parse(read('github-actions.yml')) as {
    jobs: { image: { steps: readonly { name?: string; run?: string }[] } }
  }
  return jobs.image.steps.find(({ name }) => name === 'scan')?.run ?? ''
}

function gitlabScript(): string {
  const { scan } = parse(read('gitlab-ci.yml')) as { scan: { script: readonly string[] } }
  return scan.script.join('\n')
}

function jenkinsScript(): string {
  return /stage\('scan'\)[^']*sh '''([^']*)'''/.exec(read('Jenkinsfile'))?.[1] ?? ''
}
