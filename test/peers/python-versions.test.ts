import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { versionOrders } from '../../src/scanning/versions/index.ts'
import { findPeers } from './peer.ts'

/** Pairs come in a line each; -1, 0 or 1 go out, and x where one of both is no version. */
const compareInPython = `
import sys
try:
    from packaging.version import InvalidVersion, Version
except ImportError:
    from pip._vendor.packaging.version import InvalidVersion, Version
for line in sys.stdin:
    try:
        left, right = (Version(text) for text in line.rstrip("\\n").split("\\t"))
        print((left > right) - (left < right))
    except InvalidVersion:
        print("x")
`

const hasPackaging =
  'import importlib.util as u, sys; sys.exit(not (u.find_spec("packaging") or u.find_spec("pip")))'

describe('the order of Python versions', () => {
  const { skip, paths } = findPeers('python3')
  const isMissing = skip || spawnSync(paths.python3, ['-c', hasPackaging]).status !== 0
  const options = { skip: skip || (isMissing && 'PEER MISSING: python3-packaging'), timeout: 60_000 }

  test('is that of packaging on thousands of pairs', options, () => {
    const pairs = fc.sample(fc.tuple(version(), version()), { numRuns: 8000, seed: 20261125 })
    // An advisory's "0" is the very beginning, which to Python it is not.
    const told = pairs.filter((pair) => !pair.includes('0'))
    const { stdout, stderr } = spawnSync(paths.python3, ['-c', compareInPython], {
      input: told.map((pair) => `${pair.join('\t')}\n`).join(''),
      encoding: 'utf8',
      maxBuffer: 16 * 1024 * 1024,
    })
    const answers = stdout.split('\n').slice(0, -1)
    assert.equal(answers.length, told.length, stderr)
    const valid = told.flatMap(([left, right], index) =>
      answers[index] === 'x' ? [] : [{ left, right, answer: Number(answers[index]) }],
    )
    assert.ok(valid.length > 3000, `only ${valid.length} pairs are versions to Python`)
    for (const { left, right, answer } of valid) {
      assert.equal(Math.sign(versionOrders.pypi(left, right)), answer, `${left} and ${right}`)
    }
  })
})

/** PEP 440 in all its spellings, and a few that it does not take. */
function version(): fc.Arbitrary<string> {
  const number = fc.constantFrom('0', '1', '2', '9', '10', '01', '20240101')
  const optional = (part: fc.Arbitrary<string>): fc.Arbitrary<string> =>
    fc.oneof({ weight: 2, arbitrary: fc.constant('') }, { weight: 1, arbitrary: part })
  const word = (words: readonly string[]): fc.Arbitrary<string> =>
    fc
      .tuple(fc.constantFrom('', '.', '-', '_'), fc.constantFrom(...words), optional(number))
      .map((parts) => parts.join(''))
  return fc
    .tuple(
      optional(fc.constantFrom('v', '1!', '0!')),
      fc.array(number, { minLength: 1, maxLength: 4 }).map((numbers) => numbers.join('.')),
      optional(word(['a', 'b', 'c', 'rc', 'alpha', 'beta', 'pre', 'preview', 'RC'])),
      optional(
        fc.oneof(
          word(['post', 'rev', 'r']),
          number.map((one) => `-${one}`),
        ),
      ),
      optional(word(['dev'])),
      optional(fc.constantFrom('+1', '+a', '+ubuntu.1', '+1.a', '+a-b', '+10', '+')),
    )
    .map((parts) => parts.join(''))
}
