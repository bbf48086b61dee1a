import { mkdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { startProduct } from '../test/fixtures/start-product.ts'
import { writeOciLayout } from '../test/fixtures/write-oci-layout.ts'

/*
 * The main road on a throwaway server: images built on the spot, one promoted, one quarantined, one refused.
 * Each step is printed as the command that a user would type, and its answer. `--once` ends by itself.
 */

const isOnce = process.argv.includes('--once')
const root = join(import.meta.dirname, '..')
const product = await startProduct({ PRATIQUE_PULL_WAIT_MS: '500' })
const work = join(product.folder, 'demo')
mkdirSync(work)

try {
  say(`A throwaway server is at ${product.url}`)
  const os = { 'etc/os-release': 'ID=harbour\nVERSION_ID=1\nPRETTY_NAME="Harbour Linux 1"\n' }
  const minimist = (version: string): Record<string, string> => ({
    'app/node_modules/minimist/package.json': JSON.stringify({ name: 'minimist', version }),
  })
  await writeOciLayout(join(work, 'good'), [os, minimist('1.2.8')])
  await writeOciLayout(join(work, 'bad'), [os, minimist('0.2.3')])
  writeFileSync(join(work, 'policy.yaml'), policy())

  say('Advisories and a policy: what has to hold in which stage')
  await type('vulndb', 'import', relative(process.cwd(), join(root, 'test/fixtures/advisories')))
  await type('policy', 'apply', join(work, 'policy.yaml'))

  say('A clean image: pushed, scanned, cleared, and promoted to prod')
  await type('push', join(work, 'good'), 'dev/shop:1.0')
  await type('scan', 'dev/shop:1.0')
  await type('promote', 'dev/shop:1.0', '--to', 'staging')
  await type('promote', 'staging/shop:1.0', '--to', 'prod')

  say('A vulnerable image: its promotion is refused, and the rule says how to satisfy it')
  await type('push', join(work, 'bad'), 'dev/cart:1.0')
  await type('scan', 'dev/cart:1.0')
  await type('promote', 'dev/cart:1.0', '--to', 'staging')

  say('Pushed straight into staging it is quarantined: consumers cannot pull it')
  await type('push', join(work, 'bad'), 'staging/cart:1.0')
  await type('scan', 'staging/cart:1.0')
  const made = await product.cli(['--json', 'robot', 'add', 'node', '--allow', 'pull'])
  const { loginName, secret } = JSON.parse(made.stdout) as { loginName: string; secret: string }
  const url = `${product.url}/v2/staging/cart/manifests/1.0`
  print(`$ curl -u '${loginName}:…' ${url}`)
  const refused = await fetch(url, { headers: { authorization: product.basic(loginName, secret) } })
  print(`${refused.status} ${await refused.text()}\n`)

  say('What there is now, and the proof that nobody changed the log')
  await type('images')
  await type('audit', 'verify')
  if (!isOnce) await untilInterrupted()
} finally {
  await product.stop()
}

async function type(...args: string[]): Promise<void> {
  const shown = args.map((arg) => (arg.startsWith(work) ? `./${relative(work, arg)}` : arg))
  print(`$ pratique ${shown.join(' ')}`)
  const { code, stdout, stderr } = await product.cli(args)
  print(`${stdout}${stderr}`.trimEnd())
  print(code === 0 ? '' : `(exit code ${code})\n`)
}

async function untilInterrupted(): Promise<void> {
  say(
    `Look around: ${product.url}/api/v1/openapi.json, user admin, password ${product.password}. Ctrl-C ends it`,
  )
  await new Promise<void>((resolve) => process.once('SIGINT', () => resolve()))
}

function policy(): string {
  const rules = '{ scanned: true, findings: { atLeast: critical, onlyFixed: true } }'
  return [
    'stages:',
    '  - { name: dev, prefix: dev, rules: { scanned: true } }',
    `  - { name: staging, prefix: staging, rules: ${rules} }`,
    `  - { name: prod, prefix: prod, rules: ${rules} }`,
    '',
  ].join('\n')
}

function say(sentence: string): void {
  print(`\n# ${sentence}\n`)
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
