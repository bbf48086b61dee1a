import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { contentOf } from '../../layers/file-content.ts'
import type { FileFacts } from '../types.ts'
import { nodeLockFiles } from './lock-files.ts'
import { node } from './node.ts'

const noHead = Buffer.alloc(0)

async function readLock(path: string, content: string | Buffer): Promise<FileFacts> {
  return nodeLockFiles.read(path, contentOf(Buffer.from(content)))
}

function names({ packages = [] }: FileFacts): string[] {
  return packages.map(({ name, version }) => `${name} ${version}`).toSorted()
}

function real(name: string): Buffer {
  return readFileSync(join(import.meta.dirname, 'testdata', name))
}

describe('a package.json', () => {
  const installed = [
    'srv/app/node_modules/debug/package.json',
    'node_modules/@scope/name/package.json',
    'usr/lib/node_modules/npm/node_modules/bundled/package.json',
    'app/node_modules/.pnpm/ms@2.0.0/node_modules/ms/package.json',
    'home/test/app/node_modules/ms/package.json',
    'app/node_modules/test/node_modules/ms/package.json',
    'app/node_modules/@scope/tests/node_modules/ms/package.json',
  ]
  const others = [
    'app/package.json',
    'app/node_modules/debug/src/package.json',
    'app/node_modules/.cache/package.json',
    'app/node_modules/resolve/test/resolver/node_modules/ms/package.json',
    'app/node_modules/@scope/name/__fixtures__/node_modules/@a/b/package.json',
  ]
  for (const path of installed) {
    test(`at ${path} is of an installed package`, () => assert.ok(node.wants(path, noHead)))
  }
  for (const path of others) {
    test(`at ${path} is not of an installed package`, () => assert.ok(!node.wants(path, noHead)))
  }

  const contents: readonly [string, FileFacts][] = [
    ['\uFEFF{"name":"ms","version":"2.0.0"}', { packages: [{ type: 'npm', name: 'ms', version: '2.0.0' }] }],
    ['{"name":"ms"}', {}],
    ['{"name":"","version":"1.0.0"}', {}],
    ['{"name":"@scope/","version":"1.0.0"}', {}],
    ['{"name":"a\\ud800","version":"1.0.0"}', {}],
    ['{"type":"module"}', {}],
    ['null', {}],
    ['{', { unknown: 'it is not JSON' }],
  ]
  for (const [text, facts] of contents) {
    test(`of ${JSON.stringify(text)} gives ${JSON.stringify(facts)}`, async () => {
      assert.deepEqual(await node.read('node_modules/x/package.json', contentOf(Buffer.from(text))), facts)
    })
  }
})

describe('a lock file', () => {
  const runs = ['@sindresorhus/is 4.6.0', 'debug 4.3.4', 'ms 2.0.0', 'ms 2.1.2']
  const development = ['once 1.4.0', 'wrappy 1.0.2']
  const react = ['js-tokens 4.0.0', 'loose-envify 1.4.0', 'react 18.2.0', 'use-sync-external-store 1.2.0']
  const files: readonly [string, string, readonly string[]][] = [
    // Version 1 does not say for which system a package is.
    ['package-lock.v1.json', 'package-lock.json', [...runs, 'fsevents 2.3.3']],
    ['package-lock.v3.json', 'package-lock.json', runs],
    ['package-lock.v3.json', 'npm-shrinkwrap.json', runs],
    ['yarn.v1.lock', 'yarn.lock', [...runs, ...development, 'fsevents 2.3.3']],
    ['yarn.v10.lock', 'yarn.lock', [...runs, ...development]],
    ['pnp.cjs', '.pnp.cjs', [...runs, ...development, '@esbuild/darwin-x64 0.20.0']],
    ['pnpm-lock.v5.yaml', 'pnpm-lock.yaml', [...runs, ...react]],
    ['pnpm-lock.v6.yaml', 'pnpm-lock.yaml', [...runs, ...react]],
    ['pnpm-lock.v9.yaml', 'pnpm-lock.yaml', [...runs, ...development]],
  ]
  for (const [fixture, name, expected] of files) {
    test(`${fixture} as ${name} lists what is installed from it`, async () => {
      assert.deepEqual(names(await readLock(`srv/${name}`, real(fixture))), [...expected].toSorted())
    })
  }

  test('counts only where neither node_modules nor a better lock file lies beside it', async () => {
    const { onlyWithout } = await readLock('srv/app/yarn.lock', real('yarn.v1.lock'))
    assert.deepEqual(onlyWithout, [
      'srv/app/node_modules/',
      'srv/app/.pnp.cjs',
      'srv/app/.pnp.js',
      'srv/app/npm-shrinkwrap.json',
      'srv/app/package-lock.json',
    ])
    assert.deepEqual((await readLock('.pnp.cjs', real('pnp.cjs'))).onlyWithout, ['node_modules/'])
  })

  test('of another package, or with another name, is not looked at', () => {
    for (const path of [
      'node_modules/a/package-lock.json',
      'usr/lib/python3/dist-packages/x/yarn.lock',
      'a.lock',
    ]) {
      assert.ok(!nodeLockFiles.wants(path, noHead), path)
    }
    assert.ok(nodeLockFiles.wants('yarn.lock', noHead))
  })

  test('that is no lock file is reported', async () => {
    for (const name of ['package-lock.json', 'yarn.lock', 'pnpm-lock.yaml', '.pnp.cjs']) {
      assert.deepEqual(await readLock(name, 'something else'), {
        unknown: 'it is not a lock file that is understood',
      })
    }
  })

  test('of version 1 with dependencies in dependencies is read to its depth limit', async () => {
    let text = '{"version":"1.0.0"}'
    for (let depth = 0; depth < 3000; depth++)
      text = `{"version":"1.0.${depth}","dependencies":{"a":${text}}}`
    const facts = await readLock('package-lock.json', `{"lockfileVersion":1,"dependencies":{"a":${text}}}`)
    assert.equal(facts.packages?.length, 100)
  })

  test('with any of its lines changed never makes the cataloger throw', async () => {
    const cases = files.map(([fixture, name]) => [name, real(fixture).toString()] as const)
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...cases),
        fc.array(fc.tuple(fc.nat(6000), fc.string({ maxLength: 12 })), { maxLength: 6 }),
        async ([name, whole], changes) => {
          let text = whole
          for (const [at, put] of changes) text = text.slice(0, at) + put + text.slice(at + put.length)
          await readLock(name, text)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('of a few megabytes of one thing is read in bounded time', async () => {
    const parts: readonly [string, string, string][] = [
      ['yarn.lock', '# yarn lockfile v1\n"', 'a@npm:'],
      ['yarn.lock', '__metadata:\na:\n  resolution: "', '@npm:'],
      ['pnpm-lock.yaml', 'lockfileVersion: 5\npackages:\n  ', 'a@'],
      ['pnpm-lock.yaml', 'lockfileVersion: 5\npackages:\n', '    os: [x]\n'],
      ['.pnp.cjs', "RAW_RUNTIME_STATE='", '\\\\'],
    ]
    for (const [name, begin, part] of parts) {
      const startedAt = performance.now()
      await readLock(name, begin + part.repeat(3_000_000 / part.length))
      assert.ok(performance.now() - startedAt < 3000, `${name} ${part}`)
    }
  })
})
