import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { cpSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { runImport } from '../../src/scanning/vulndb/run-import.ts'
import { NodeLab } from '../fixtures/node-lab.ts'
import { runToEnd, startProduct } from '../fixtures/start-product.ts'
import { wasmArtifact } from '../fixtures/wasm-artifact.ts'
import { loopModule, talkModule } from '../fixtures/wasm-modules.ts'
import { writeOciLayout } from '../fixtures/write-oci-layout.ts'

const root = join(import.meta.dirname, '../..')
const program = join(root, 'bin/pratique')
const pages = ['README.md', ...globSync('docs/{*,ci/*}.md', { cwd: root })]

for (const page of pages) {
  const commands = commandsOf(readFileSync(join(root, page), 'utf8'))
  if (commands.length === 0) continue
  test(`every command of ${page} does what the page says`, { timeout: 180_000 }, async () => {
    // Containers need an agent; all others need the server only.
    const lab = page === 'docs/nodes.md' ? await openLab() : undefined
    const product = lab?.product ?? (await startProduct({ PRATIQUE_PULL_WAIT_MS: '300' }))
    try {
      const work = product.folder
      await prepare(work)
      const composed = /^```yaml\n([^`]*^services:[^`]*)^```/m.exec(
        readFileSync(join(root, page), 'utf8'),
      )?.[1]
      if (composed !== undefined) writeFileSync(join(work, 'compose.yaml'), composed)
      for (const { line, exitCode } of commands) {
        const environment = {
          HOME: work,
          XDG_CONFIG_HOME: join(work, 'config'),
          PATH: `${join(root, 'bin')}:${process.env['PATH']}`,
          PRATIQUE_SERVER: product.url,
          PRATIQUE_USERNAME: 'admin',
          PRATIQUE_PASSWORD: product.password,
          PRATIQUE_NEW_PASSWORD: 'a-new-password',
          PRATIQUE_KEY_PASSWORD: 'a-passphrase',
          REGISTRY: product.host,
          ...lab?.environment,
        }
        const { code, stdout, stderr } = await runToEnd('bash', ['-c', line], environment, { cwd: work })
        assert.equal(code, exitCode, `${line}\n${stdout}${stderr}`)
        for (const shown of stdout.split('\n')) {
          if (!/completion|--json|\bshow\b/.test(line)) assert.ok(shown.length <= 120, `${line}: ${shown}`)
        }
        // What was pushed has to be scanned before the page goes on.
        const pushed = /^pratique push \S+ (\S+)$/.exec(line)?.[1]
        if (pushed) await runToEnd(program, ['scan', pushed], environment)
      }
    } finally {
      await (lab ? lab.close() : product.stop())
    }
  })
}

/** A node that runs Wasm, which needs no root, and what the page runs on it. */
async function openLab(): Promise<NodeLab> {
  const lab = await NodeLab.open({ PRATIQUE_PULL_WAIT_MS: '300' })
  await lab.pushArtifact('prod/hello:1', wasmArtifact(talkModule.bytes))
  await lab.pushArtifact('prod/loop:1', wasmArtifact(loopModule.bytes))
  await lab.setUp({ backends: [{ kind: 'wasm', name: 'wasm' }] })
  await lab.startAgent()
  return lab
}

test('links between the pages lead somewhere', () => {
  for (const page of pages) {
    for (const [, target = ''] of readFileSync(join(root, page), 'utf8').matchAll(/\]\(([^)#:]+)\)/g)) {
      const path = join(page, '..', target)
      assert.ok(globSync(path, { cwd: root }).length > 0, `${page} links to ${target}`)
    }
  }
})

/** Lines of `sh` blocks that call our program; `# exit N` behind one says how it ends. */
function commandsOf(text: string): { line: string; exitCode: number }[] {
  return Array.from(text.matchAll(/^```sh\n([\s\S]*?)^```/gm), (match) => match[1] as string)
    .flatMap((block) => block.split('\n'))
    .filter((line) => line.startsWith('pratique '))
    .map((line) => ({
      line: line.replace(/\s+#.*$/, ''),
      exitCode: Number(/# exit (\d)/.exec(line)?.[1] ?? 0),
    }))
}

async function prepare(work: string): Promise<void> {
  cpSync(join(root, 'test/fixtures/advisories'), join(work, 'advisories'), { recursive: true })
  const minimist = (version: string): Record<string, string> => ({
    'app/node_modules/minimist/package.json': JSON.stringify({ name: 'minimist', version }),
  })
  await writeOciLayout(join(work, 'shop'), [
    { 'etc/os-release': 'ID=harbour\nVERSION_ID=1\n' },
    minimist('1.2.8'),
  ])
  await writeOciLayout(join(work, 'cart'), [minimist('0.2.3')])
  await runToEnd('tar', ['-C', join(work, 'shop'), '-cf', join(work, 'image.tar'), '.'])
  await runImport(join(work, 'vulndb'), join(work, 'advisories'))
  const rules = '{ scanned: true, findings: { atLeast: critical, onlyFixed: true } }'
  const stages = ['dev', 'staging', 'prod'].map(
    (name) =>
      `  - { name: ${name}, prefix: ${name}, rules: ${name === 'dev' ? '{ scanned: true }' : rules} }`,
  )
  writeFileSync(join(work, 'policy.yaml'), ['stages:', ...stages, ''].join('\n'))
  writeFileSync(join(work, 'project.yaml'), 'rules: { scanned: true, unknownFiles: { max: 0 } }\n')
  for (const name of ['release', 'builder', 'alice-2027', 'vendor']) {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    writeFileSync(join(work, `${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }))
  }
  writeFileSync(join(work, 'result.json'), JSON.stringify({ result: 'PASSED' }))
  const bundleKey = generateKeyPairSync('ed25519')
  writeFileSync(join(work, 'key.pem'), bundleKey.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(join(work, 'key.pub'), bundleKey.publicKey.export({ type: 'spki', format: 'pem' }))
}
