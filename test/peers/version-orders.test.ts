import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { compareApk } from '../../src/scanning/versions/compare-apk.ts'
import { compareDeb } from '../../src/scanning/versions/compare-deb.ts'
import { findPeers } from './peer.ts'

type Pair = readonly [string, string]

/** Pairs come in a line each; -1, 0 or 1 go out. */
const compareInPerl = `
use Dpkg::Version;
while (<STDIN>) {
  chomp;
  my ($left, $right) = split /\\t/;
  print Dpkg::Version->new($left) <=> Dpkg::Version->new($right), "\\n";
}
`

/** As above, by the programs themselves: a process a question, so fewer pairs. */
const compareWithDpkg = `
while read -r left right; do
  if dpkg --compare-versions "$left" lt "$right"; then echo -1
  elif dpkg --compare-versions "$left" gt "$right"; then echo 1
  else echo 0
  fi
done
`
const compareWithApk = `
while read -r left right; do
  case $(apk version -t "$left" "$right") in '<') echo -1 ;; '>') echo 1 ;; *) echo 0 ;; esac
done
`

describe('the order of Debian versions', () => {
  const { skip: withoutPerl } = findPeers('perl')
  const isMissing = withoutPerl || spawnSync('perl', ['-MDpkg::Version', '-e', '1']).status !== 0
  const skip = withoutPerl || (isMissing && 'PEER MISSING: libdpkg-perl (scripts/setup-peers installs it)')

  test('is that of Dpkg::Version on thousands of pairs', { skip, timeout: 60_000 }, () => {
    const pairs = fc.sample(debPair(), { numRuns: 20_000, seed: 20261125 })
    assertAsPeer(pairs, compareDeb, ['perl', '-e', compareInPerl])
  })

  const { skip: withoutDpkg } = findPeers('dpkg')
  test('is that of dpkg itself', { skip: withoutDpkg, timeout: 60_000 }, () => {
    const pairs = fc.sample(debPair(), { numRuns: 500, seed: 20261126 })
    assertAsPeer(pairs, compareDeb, ['sh', '-c', compareWithDpkg])
  })
})

// Debian has no package of apk-tools, so that this runs where Alpine's own is at hand.
const hasApk = spawnSync('apk', ['--version']).status === 0

describe('the order of Alpine versions', () => {
  test(
    'is that of apk',
    { skip: !hasApk && 'PEER MISSING: apk (no package of Debian)', timeout: 60_000 },
    () => {
      const pairs = fc.sample(fc.tuple(apkVersion(), apkVersion()), { numRuns: 2000, seed: 20261125 })
      assertAsPeer(pairs, compareApk, ['sh', '-c', compareWithApk])
    },
  )
})

function assertAsPeer(
  pairs: readonly Pair[],
  compare: (left: string, right: string) => number,
  [command, ...args]: readonly [string, ...string[]],
): void {
  const { stdout, stderr } = spawnSync(command, args, {
    input: pairs.map((pair) => `${pair.join('\t')}\n`).join(''),
    encoding: 'utf8',
    maxBuffer: 16 * 1024 * 1024,
  })
  const answers = stdout.trim().split('\n').map(Number)
  assert.equal(answers.length, pairs.length, stderr.slice(0, 400))
  for (const [index, [left, right]] of pairs.entries()) {
    assert.equal(Math.sign(compare(left, right)), answers[index], `${left} and ${right}`)
  }
  assert.equal(new Set(answers).size, 3, 'all three answers occur')
}

/** Two versions, now and then the same one in two spellings. */
function debPair(): fc.Arbitrary<Pair> {
  const same = debVersion().map((one): Pair => [one, one.includes(':') ? `0${one}` : `0:${one}`])
  return fc.oneof(
    { weight: 19, arbitrary: fc.tuple(debVersion(), debVersion()) },
    { weight: 1, arbitrary: same },
  )
}

/** deb-version(7): few pieces, so that two versions often differ in one only. */
function debVersion(): fc.Arbitrary<string> {
  const piece = fc.constantFrom(
    '0',
    '1',
    '9',
    '10',
    '01',
    '9'.repeat(20),
    'a',
    'Z',
    'rc',
    'dfsg',
    '.',
    '.',
    '~',
    '~~',
    '+',
    '+b1',
    '+deb12u1',
    '+deb12u10',
  )
  const text = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(''))
  return fc
    .tuple(
      fc.constantFrom('', '', '', '0:', '1:', '10:'),
      fc.constantFrom('0', '1', '1.2', '20240101'),
      text,
      fc.oneof(
        fc.constant(''),
        text.map((rest) => `-1${rest}`),
        text.map((rest) => `-1-0${rest}`),
      ),
    )
    .map((parts) => parts.join(''))
}

/** Alpine's format with all its parts, and a few that it does not take. */
function apkVersion(): fc.Arbitrary<string> {
  const piece = fc.constantFrom(
    '0',
    '1',
    '2',
    '10',
    '05',
    '.',
    '.',
    '.',
    'a',
    'b',
    '_alpha',
    '_rc',
    '_rc1',
    '_p',
    '_p1',
    '_git20240101',
    '_foo',
    '~ab12',
    '-r0',
    '-r1',
    '-r10',
    '-1',
    'x',
  )
  return fc
    .tuple(fc.constantFrom('1', '2', '1.2', '1.0.5', '006'), fc.array(piece, { maxLength: 5 }))
    .map(([first, rest]) => first + rest.join(''))
}
