import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, fstatSync, openSync, realpathSync } from 'node:fs'
import { describe, test } from 'node:test'
import { readExecutables } from '../../src/scanning/catalogers/executables/read-executables.ts'
import { contentOfFile } from '../../src/scanning/layers/file-content.ts'
import { catalogue, found } from '../fixtures/catalogue.ts'

/** Programs, how they are asked for their version, and how they answer. */
const installed = [
  ['bash', ['--version'], /version (\d+\.\d+\.\d+)/, 'bash'],
  ['curl', ['--version'], /^curl (\S+)/, 'curl'],
  ['git', ['--version'], /version (\S+)/, 'git'],
  ['jq', ['--version'], /^jq-(\d[\d.]*)/, 'jq'],
  ['node', ['--version'], /^v(\S+)/, 'node'],
  ['openssl', ['version'], /^OpenSSL (\S+)/, 'openssl'],
  ['perl', ['-e', 'print $^V'], /^v(\S+)/, 'perl'],
  ['python3', ['--version'], /^Python (\S+)/, 'python'],
  ['nginx', ['-v'], /nginx\/(\d\S+)/, 'nginx'],
  ['postgres', ['--version'], /\) (\d\S+)/, 'postgresql'],
  ['redis-server', ['--version'], /v=(\S+)/, 'redis'],
] as const

describe('a program of this machine', () => {
  for (const [program, options, pattern, name] of installed) {
    const { skip, paths } = findPeersIfThere(program)
    test(`${program} has the version that it tells itself`, { skip }, async (context) => {
      const path = realpathSync(paths[program] as string)
      const answer = spawnSync(path, options, { encoding: 'utf8' })
      const version = pattern.exec(answer.stdout + answer.stderr)?.[1]
      assert.ok(version, `${program} does not tell its version`)
      const facts = await catalogue(path)
      // A program of a few kilobytes has its code in a library, and a script has none.
      if (found(facts).length === 0) return context.skip(`${program} is only a launcher here`)
      assert.ok(found(facts).includes(`${name} ${version}`), `${name} ${version}: ${found(facts).join(', ')}`)
      assert.deepEqual(
        facts.flatMap(({ unknown }) => unknown ?? []),
        [],
      )
    })
  }
})

/** Not among the peers that CI requires: any machine has some of them. */
function findPeersIfThere<Name extends string>(
  program: Name,
): { skip: string | false; paths: Partial<Record<Name, string>> } {
  const answer = spawnSync('sh', ['-c', 'command -v "$0"', program], { encoding: 'utf8' })
  const path = answer.stdout.trim()
  if (!path.startsWith('/')) return { skip: `PEER MISSING: ${program}`, paths: {} }
  return { skip: false, paths: { [program]: path } as Record<Name, string> }
}

describe('sections', () => {
  const { skip, paths } = findPeersIfThere('readelf')

  test('of ELF files are where readelf sees them', { skip }, () => {
    for (const path of [process.execPath, realpathSync(paths.readelf as string)]) {
      const descriptor = openSync(path, 'r')
      const [executable] = readExecutables(contentOfFile(descriptor, fstatSync(descriptor).size))
      closeSync(descriptor)
      const ours = executable?.sections.map(({ name, address, offset }) => `${name} ${address} ${offset}`)
      assert.deepEqual(ours?.slice(1), readelf(paths.readelf as string, path))
    }
  })
})

function readelf(program: string, path: string): string[] {
  const text = execFileSync(program, ['-SW', path], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  })
  const line = /^ +\[ *\d+\] (\S+) +[A-Z]\S+ +([0-9a-f]{8,16}) ([0-9a-f]{6,16}) /gm
  return [...text.matchAll(line)].map(([, name, address, offset]) =>
    [name, Number.parseInt(address as string, 16), Number.parseInt(offset as string, 16)].join(' '),
  )
}
