import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { runToEnd } from '../fixtures/start-product.ts'
import { findPeers, rootSkip } from './peer.ts'

const { skip: missing, paths } = findPeers('runc', 'runsc', 'crun')
const program = join(import.meta.dirname, '../../bin/pratique')

describe('the runtimes of this machine', { skip: missing || rootSkip() }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'pratique-runtimes-'))
  const config = join(folder, 'node.json')
  writeFileSync(
    config,
    JSON.stringify({
      registry: 'registry.example',
      server: 'https://registry.example',
      trust: 'trust.json',
      publicKeys: ['none'],
      signer: 'policy',
      others: 'reject',
      agent: {
        state: join(folder, 'state'),
        backends: [
          {
            kind: 'engine',
            name: 'engine',
            runtimes: { runc: paths.runc, crun: paths.crun, gvisor: paths.runsc, gone: '/nowhere/runc' },
          },
        ],
      },
    }),
  )
  const environment = { PRATIQUE_NODE_CONFIG: config }
  after(() => rmSync(folder, { recursive: true, force: true }))

  interface Found {
    readonly handler: string
    readonly state: string
    readonly isolation: string
    readonly startMs?: number
    readonly memoryBytes?: number
    readonly why?: string
  }

  test(
    'are tried and measured, and one that is not there says what to do',
    { timeout: 120_000 },
    async () => {
      const { code, stdout, stderr } = await runToEnd(program, ['--json', 'runtimes', '--probe'], environment)
      assert.equal(code, 0, stderr)
      const found = new Map((JSON.parse(stdout) as Found[]).map((one) => [one.handler, one]))
      for (const [handler, isolation] of [
        ['runc', 'process'],
        ['gvisor', 'user-space-kernel'],
      ] as const) {
        assert.deepEqual([found.get(handler)?.state, found.get(handler)?.isolation], ['works', isolation])
        assert.ok((found.get(handler)?.startMs ?? 0) > 0)
      }
      // A sandbox holds more beside what is in it than a process does.
      assert.ok((found.get('gvisor')?.memoryBytes ?? 0) > (found.get('runc')?.memoryBytes ?? 0))
      assert.equal(found.get('gone')?.state, 'broken')
      assert.match(found.get('gone')?.why ?? '', /no such program|there is no/)
      // What crun does with the control groups of this machine is told either way.
      assert.ok(['works', 'broken'].includes(found.get('crun')?.state ?? ''))
    },
  )

  test('become RuntimeClasses with what was measured', async () => {
    const { stdout } = await runToEnd(
      program,
      ['runtimes', 'export', '--node-selector', 'pool=workers'],
      environment,
    )
    const classes = parseAllDocuments(stdout).map(
      (one) => one.toJS() as { handler: string; overhead?: { podFixed: { memory: string } } },
    )
    assert.deepEqual(classes.map(({ handler }) => handler).toSorted(), ['crun', 'gvisor', 'runc'])
    assert.match(
      classes.find(({ handler }) => handler === 'gvisor')?.overhead?.podFixed.memory ?? '',
      /^\d+Mi$/,
    )
  })

  test('leave nothing behind when they were tried', () => {
    assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), /pratique-probe/)
  })
})
