import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { rpm } from '../../src/scanning/catalogers/rpm/rpm.ts'
import type { FileFacts } from '../../src/scanning/catalogers/index.ts'
import { contentOf } from '../../src/scanning/layers/file-content.ts'
import { compareRpm } from '../../src/scanning/versions/compare-rpm.ts'
import { findPeers } from './peer.ts'

const { skip, paths } = findPeers('rpm')

const pieces = [
  '0',
  '1',
  '2',
  '10',
  '01',
  '9'.repeat(20),
  'a',
  'b',
  'rc',
  'git',
  'el9',
  'A',
  '.',
  '.',
  '~',
  '^',
  '+',
  '_',
]
const word = fc
  .array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 7 })
  .map((parts) => parts.join(''))
const numbered = fc.tuple(fc.constantFrom('1', '2', '0', '10'), word).map(([first, rest]) => first + rest)
const epoch = fc.constantFrom('', '', '', '0:', '1:', '10:')

describe('the order of rpm versions', () => {
  test('is that of rpm on thousands of pairs', { skip, timeout: 60_000 }, () => {
    const pairs = fc.sample(fc.tuple(word, word), { numRuns: 10_000, seed: 20261125 })
    assertAsRpm(pairs, 'return rpm.vercmp(left, right)')
  })

  test('is that of rpm with epochs and releases', { skip, timeout: 60_000 }, () => {
    const full = fc
      .tuple(epoch, numbered, word)
      .map(([number, version, release]) => `${number}${version}-${release}`)
    const bare = fc.tuple(epoch, numbered).map(([number, version]) => number + version)
    const pairs = fc.sample(fc.oneof(fc.tuple(full, full), fc.tuple(bare, bare)), {
      numRuns: 5_000,
      seed: 20261126,
    })
    assertAsRpm(
      pairs,
      `local a, b = rpm.ver(left), rpm.ver(right)
       return a < b and -1 or b < a and 1 or 0`,
    )
  })
})

const folder = join(import.meta.dirname, '../../src/scanning/catalogers/rpm/testdata')
const format = '%{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE} %{ARCH} %{MODULARITYLABEL} %{VENDOR}\\n'

for (const [fixture, backend, name] of [
  ['rpmdb.sqlite', 'sqlite', 'rpmdb.sqlite'],
  ['Packages.little-endian', 'bdb_ro', 'Packages'],
  ['Packages.big-endian', 'bdb_ro', 'Packages'],
  ['Packages.large-pages', 'bdb_ro', 'Packages'],
] as const) {
  describe(`the database ${fixture}`, { skip }, () => {
    const database = gunzipSync(readFileSync(join(folder, `${fixture}.gz`)))
    const facts = rpm.read(`var/lib/rpm/${name}`, contentOf(database)) as FileFacts
    const query = (what: string): string[] => queryRpm(name, database, backend, what)

    test('has the packages that rpm lists', () => {
      const ours = (facts.packages ?? []).map(({ name, version, architecture, module, vendor }) => {
        const full = version.includes(':') ? version : `0:${version}`
        return [name, full, architecture, module ?? '(none)', vendor].join(' ')
      })
      const theirs = query(format).filter((line) => !line.startsWith('gpg-pubkey '))
      assert.deepEqual(ours.toSorted(), theirs.toSorted())
    })

    test('has the files that rpm lists', () => {
      const theirs = query('[%{FILENAMES}\\n]').map((path) => path.slice(1))
      assert.deepEqual(facts.ownedFiles?.toSorted(), theirs.toSorted())
    })
  })
}

/** The lines that rpm answers when it is asked for something of all packages of a database. */
function queryRpm(name: string, database: Buffer, backend: string, what: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'pratique-rpm-'))
  try {
    writeFileSync(join(folder, name), database)
    const options = ['--dbpath', folder, '--define', `_db_backend ${backend}`, '-qa', '--qf', what]
    const { stdout, stderr } = spawnSync(paths.rpm, options, { encoding: 'utf8' })
    assert.ok(stdout !== '', stderr)
    return stdout.trim().split('\n')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** One process for all pairs: the Lua inside rpm reads them from a file and prints the answers. */
function assertAsRpm(pairs: readonly (readonly [string, string])[], compare: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'pratique-rpm-'))
  try {
    writeFileSync(join(folder, 'pairs'), pairs.map((pair) => `${pair.join(' ')}\n`).join(''))
    writeFileSync(
      join(folder, 'compare.lua'),
      `local function compare(left, right) ${compare} end
       local answers = {}
       for line in io.lines("${folder}/pairs") do
         local left, right = line:match("^(%S+) (%S+)$")
         answers[#answers + 1] = compare(left, right)
       end
       print(table.concat(answers, " "))`,
    )
    const { stdout, stderr } = spawnSync(paths.rpm, ['--eval', `%{lua: dofile("${folder}/compare.lua")}`], {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    })
    const answers = stdout.trim().split(' ').map(Number)
    assert.equal(answers.length, pairs.length, stderr.slice(0, 400))
    for (const [index, [left, right]] of pairs.entries()) {
      assert.equal(Math.sign(compareRpm(left, right)), answers[index], `${left} and ${right}`)
    }
    assert.ok(new Set(answers).size === 3, 'all three answers occur')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
