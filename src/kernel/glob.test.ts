import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isGlob, matchesGlob } from './glob.ts'

const cases: readonly [pattern: string, name: string, matches: boolean][] = [
  ['dev/app', 'dev/app', true],
  ['dev/app', 'dev/app2', false],
  ['dev/*', 'dev/app', true],
  ['dev/*', 'dev/team/app', false],
  ['dev/**', 'dev/team/app', true],
  ['dev/**', 'dev', true],
  ['dev/**', 'developer/app', false],
  ['**', 'anything/at/all', true],
  ['**/app', 'app', true],
  ['**/app', 'a/b/app', true],
  ['a/**/z', 'a/z', true],
  ['a/**/z', 'a/b/c/z', true],
  ['a/**/z', 'a/b/c', false],
  ['dev/app-*-test', 'dev/app-1-2-test', true],
  ['dev/a.c', 'dev/abc', false],
]

for (const [pattern, name, matches] of cases) {
  test(`${pattern} ${matches ? 'matches' : 'does not match'} ${name}`, () => {
    assert.equal(matchesGlob(pattern, name), matches)
  })
}

test('a name without wildcards matches itself and nothing else', () => {
  const part = fc.stringMatching(/^[a-z0-9]{1,6}$/)
  const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
  fc.assert(fc.property(name, name, (left, right) => matchesGlob(left, right) === (left === right)))
})

test('pitfall 21: a pattern made to backtrack answers at once', () => {
  const begun = performance.now()
  assert.equal(matchesGlob(`${'*a'.repeat(60)}b`, 'a'.repeat(200)), false)
  assert.equal(matchesGlob(`${'**/a/'.repeat(40)}b`, 'a/'.repeat(100) + 'c'), false)
  assert.ok(performance.now() - begun < 5_000)
})

test('a pattern may hold name characters and wildcards only', () => {
  for (const good of ['**', 'dev/**', 'dev/*-test', 'a.b_c-d/e']) assert.ok(isGlob(good), good)
  for (const bad of ['', 'dev/***', 'dev/a**', 'Dev/*', 'dev//x', '../x?', 'a'.repeat(300)]) {
    assert.ok(!isGlob(bad), bad)
  }
})
