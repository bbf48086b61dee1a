import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import { catalogue, found } from '../fixtures/catalogue.ts'

const sys = 'golang.org/x/sys v0.0.0'
/** Go programs of npm packages of every format and age, with the standard library that they were built with. */
const published: readonly (readonly [specifier: string, ...expected: string[]])[] = [
  ['@esbuild/linux-x64@0.25.0', 'stdlib 1.23.5', `${sys}-20220715151400-c0bba94af5f8`],
  ['@esbuild/linux-x64@0.17.0', 'stdlib 1.19.4', `${sys}-20220715151400-c0bba94af5f8`],
  ['@esbuild/darwin-x64@0.17.0', 'stdlib 1.19.4', `${sys}-20220715151400-c0bba94af5f8`],
  ['@esbuild/win32-x64@0.17.0', 'stdlib 1.19.4'],
  ['esbuild-linux-64@0.8.0', 'stdlib 1.15.0', `${sys}-20200501145240-bc7a7d42d5c3`],
  ['esbuild-linux-64@0.1.16', 'stdlib 1.13.8'],
  ['esbuild-linux-s390x@0.14.8', 'stdlib 1.17.5', `${sys}-20210908233432-aa78b53d3365`],
  ['esbuild-windows-32@0.8.9', 'stdlib 1.15.5'],
  ['esbuild-wasm@0.25.0', 'stdlib 1.23.5'],
]

describe('a published Go program', () => {
  let folder = ''
  before(() => (folder = mkdtempSync(join(tmpdir(), 'pratique-binaries-'))))
  after(() => rmSync(folder, { recursive: true, force: true }))

  for (const [specifier, ...expected] of published) {
    test(`of ${specifier} has what Go built in`, { timeout: 60_000 }, async (context) => {
      const program = unpack(folder, specifier, context)
      if (program === undefined) return
      assert.deepEqual(found(await catalogue(program, basename(program))), expected)
    })
  }
})

const names: readonly string[] = ['esbuild', 'esbuild.exe', 'esbuild.wasm']

/** The program of a package; undefined, and a loud skip, where no registry answers. */
function unpack(folder: string, specifier: string, context: TestContext): string | undefined {
  const into = mkdtempSync(join(folder, 'package-'))
  const options = { cwd: into, encoding: 'utf8', timeout: 45_000 } as const
  const packed = spawnSync('npm', ['pack', '--silent', specifier], options)
  const archive = packed.stdout.trim().split('\n').at(-1)
  if (packed.status !== 0 || !archive) {
    context.skip(`REGISTRY MISSING: npm pack ${specifier} gave nothing`)
    return undefined
  }
  execFileSync('tar', ['xzf', archive], { cwd: into })
  const files = readdirSync(into, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
  return files.find((path) => names.includes(basename(path)) && statSync(path).size > 1024 * 1024)
}
