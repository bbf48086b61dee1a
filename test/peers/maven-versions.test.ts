import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { compareMaven } from '../../src/scanning/versions/compare-maven.ts'
import { findPeers } from './peer.ts'

const folder = '/usr/share/java'
const archives = [`${folder}/maven3-artifact.jar`, `${folder}/commons-lang3.jar`]
const { skip: withoutJava } = findPeers('java')
const isHere = archives.every((path) => existsSync(path))
const skip = withoutJava || (!isHere && 'PEER MISSING: libmaven3-core-java (scripts/setup-peers installs it)')

describe('the order of Maven versions', () => {
  test('is that of Maven on thousands of pairs', { skip, timeout: 60_000 }, () => {
    const versions = fc.sample(version(), { numRuns: 8000, seed: 20261125 })
    // Maven's own program tells how each version compares with the one before.
    const program = 'org.apache.maven.artifact.versioning.ComparableVersion'
    const { stdout, stderr } = spawnSync('java', ['-cp', archives.join(':'), program, ...versions], {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    })
    const answers = [...stdout.matchAll(/^ {3}\S+ (<|==|>) \S+$/gm)].map((match) => match[1])
    assert.equal(answers.length, versions.length - 1, stderr.slice(0, 400))
    for (const [index, answer] of answers.entries()) {
      const [left, right] = [versions[index] as string, versions[index + 1] as string]
      const ours = compareMaven(left, right)
      assert.equal(ours < 0 ? '<' : ours > 0 ? '>' : '==', answer, `${left} and ${right}`)
    }
  })
})

function version(): fc.Arbitrary<string> {
  const words = [
    'alpha',
    'beta',
    'a',
    'b',
    'm',
    'rc',
    'cr',
    'SNAPSHOT',
    'ga',
    'Final',
    'RELEASE',
    'sp',
    'foo',
    'v2013',
    'jre',
    '_',
    '+',
  ]
  const numbers = ['0', '0', '1', '2', '10', '01', '9'.repeat(20)]
  const part = fc.oneof(
    fc.constantFrom(...numbers),
    fc.constantFrom('.', '.', '-'),
    fc.constantFrom(...words),
  )
  return fc
    .tuple(fc.constantFrom('1', '1', '1.0', '1.2.3', 'x'), fc.array(part, { maxLength: 7 }))
    .map(([first, rest]) => first + rest.join(''))
}
