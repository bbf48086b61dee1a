import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { compareGem } from '../../src/scanning/versions/compare-gem.ts'
import { findPeers } from './peer.ts'

/** Pairs come in a line each; -1, 0 or 1 go out, and x where one of both is no version. */
const compareInRuby = `
require "rubygems"
STDIN.each_line(chomp: true) do |line|
  left, right = line.split("\\t", -1)
  puts Gem::Version.new(left) <=> Gem::Version.new(right)
rescue ArgumentError
  puts "x"
end
`

describe('the order of gem versions', () => {
  const { skip, paths } = findPeers('ruby')

  test('is that of RubyGems on thousands of pairs', { skip, timeout: 60_000 }, () => {
    const pairs = fc.sample(fc.tuple(version(), version()), { numRuns: 8000, seed: 20261125 })
    const { stdout, stderr } = spawnSync(paths.ruby, ['-e', compareInRuby], {
      input: pairs.map((pair) => `${pair.join('\t')}\n`).join(''),
      encoding: 'utf8',
      maxBuffer: 16 * 1024 * 1024,
    })
    const answers = stdout.split('\n').slice(0, -1)
    assert.equal(answers.length, pairs.length, stderr)
    assert.ok(answers.filter((answer) => answer !== 'x').length > 3000)
    for (const [index, [left, right]] of pairs.entries()) {
      if (answers[index] === 'x') continue
      assert.equal(Math.sign(compareGem(left, right)), Number(answers[index]), `${left} and ${right}`)
    }
  })
})

function version(): fc.Arbitrary<string> {
  const part = fc.constantFrom(
    '0',
    '1',
    '2',
    '10',
    '01',
    'a',
    'b',
    'rc',
    'pre',
    'A',
    '9'.repeat(20),
    'a1',
    '1a',
    '',
  )
  const separator = fc.constantFrom('.', '.', '.', '', '-')
  return fc
    .tuple(fc.constantFrom('0', '1', '1.0', '1.2.3'), fc.array(fc.tuple(separator, part), { maxLength: 5 }))
    .map(([first, rest]) => first + rest.flat().join(''))
}
