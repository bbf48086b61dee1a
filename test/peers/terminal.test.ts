import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { runToEnd, startProduct, type Product } from '../fixtures/start-product.ts'
import { findPeers } from './peer.ts'

const program = join(import.meta.dirname, '../../bin/pratique')
const { skip, paths } = findPeers('script')

let product: Product
before(async () => {
  product = await startProduct()
})
after(() => product.stop())

test('login asks for name and password on a terminal, and does not show the password', { skip }, async () => {
  const shown = await onTerminal(`${program} login ${product.url}`, [
    ['Name:', 'admin'],
    ['Password:', product.password],
  ])
  assert.match(stripVTControlCharacters(shown), /^Name: admin/)
  assert.match(shown, /Signed in to .* as admin/)
  assert.ok(!shown.includes(product.password), shown)
})

test(
  'a wrong password is refused, and a line of the terminal is never longer than 80',
  { skip },
  async () => {
    const shown = await onTerminal(`${program} login ${product.url}`, [
      ['Name:', 'admin'],
      ['Password:', 'not the password'],
    ])
    assert.match(shown, /the name and the password or token do not fit/)
    for (const line of shown.split(/\r?\n/)) assert.ok(line.length <= 80, line)
  },
)

test('a reader that has seen enough is no error', async () => {
  // `true` is gone long before the first line is written.
  const line = `set -o pipefail; "${program}" completion bash | true`
  assert.deepEqual(await runToEnd('bash', ['-c', line]), { code: 0, stdout: '', stderr: '' })
})

/** Runs a command on a pseudo-terminal and types each answer when its question is there. */
async function onTerminal(command: string, answers: readonly (readonly [string, string])[]): Promise<string> {
  const child = spawn(paths.script, ['-qec', command, '/dev/null'], {
    env: { PATH: process.env['PATH'], HOME: product.folder, TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: 20_000,
  })
  let shown = ''
  const left = [...answers]
  child.stdout.on('data', (chunk: Buffer) => {
    shown += chunk.toString()
    const next = left[0]
    if (!next || !shown.includes(next[0])) return
    left.shift()
    child.stdin.write(`${next[1]}\r`)
  })
  await new Promise((resolve) => child.once('exit', resolve))
  return shown
}
