import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { matchesGlob } from '../../kernel/glob.ts'
import { coversPattern, patternsMeet } from './cover.ts'

const covers: readonly [outer: string, inner: string, expected: boolean][] = [
  ['**', 'prod/**', true],
  ['**', '**', true],
  ['prod/**', 'prod/**', true],
  ['prod/**', 'prod/shop', true],
  ['prod/**', '**', false],
  ['prod/*', 'prod/shop', true],
  ['prod/*', 'prod/**', false],
  ['*', '**', false],
  ['**/pay-*', 'prod/pay-card*', true],
  ['**/pay-*', 'prod/pay*', false],
  ['prod/**', 'production/**', false],
  ['prod/**', '*/shop', false],
]
for (const [outer, inner, expected] of covers) {
  test(`${outer} ${expected ? 'covers' : 'does not cover'} ${inner}`, () => {
    assert.equal(coversPattern(outer, inner), expected)
  })
}

const meetings: readonly [left: string, right: string, expected: boolean][] = [
  ['prod/**', '**/shop', true],
  ['prod/**', 'dev/**', false],
  ['prod/*', 'prod/*/*', false],
  ['a*c', 'ab*', true],
  ['a*c', 'b*', false],
  ['**', 'x', true],
  ['*/pay', 'prod/**', true],
]
for (const [left, right, expected] of meetings) {
  test(`${left} and ${right} ${expected ? 'have' : 'have no'} names in common`, () => {
    assert.equal(patternsMeet(left, right), expected)
    assert.equal(patternsMeet(right, left), expected)
  })
}

const part = fc
  .array(fc.constantFrom('a', 'b', '*'), { minLength: 1, maxLength: 3 })
  .map((letters) => letters.join('').replaceAll(/\*+/g, '*'))
const pattern = fc
  .array(fc.oneof(part, fc.constant('**')), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'))
const name = fc
  .array(fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.map((letters) => letters.join('')).join('/'))

test('no name shows that a pattern does not cover what it is said to, or that patterns do meet', () => {
  fc.assert(
    fc.property(pattern, pattern, name, (one, two, text) => {
      if (coversPattern(one, two) && matchesGlob(two, text)) assert.ok(matchesGlob(one, text))
      if (matchesGlob(one, text) && matchesGlob(two, text)) assert.ok(patternsMeet(one, two))
    }),
    { numRuns: 20_000 },
  )
})
