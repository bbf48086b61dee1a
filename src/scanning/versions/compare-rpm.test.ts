import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { compareRpm } from './compare-rpm.ts'

/** Each list goes from the oldest to the newest. */
const orders: readonly (readonly string[])[] = [
  ['1.0~rc1', '1.0~rc2', '1.0', '1.0^', '1.0^git1', '1.0^git2', '1.0.1', '1.1'],
  ['1.0~rc1~git1', '1.0~rc1', '1.0~rc1^git1', '1.0'],
  ['1.0-1.el9', '1.0-1.el9_2', '1.0-1.el9_2.1', '1.0-2.el9', '1.0-10.el9'],
  ['1.0-1.module_el9', '1.0-2.module_el9', '1:0.1-1'],
  ['9.9-9', '1:0-1', '2:0-1', '10:0-1'],
  ['1.0', '1.0a', '1.0b', '1.0.1', '1.0.2', '1.0.10'],
  ['1.A', '1.a', '1.0'],
  ['20211104-1', '20220209-1'],
  ['99999999999999999998', '99999999999999999999', '100000000000000000000'],
  ['1.1.1k-12.el8_9', '1.1.1k-14.el8_6', '1:1.1.1g-1'],
]

/** Different spellings of the same version. */
const same: readonly (readonly [string, string])[] = [
  ['1.0', '0:1.0'],
  ['1.0', ':1.0'],
  ['1.05', '1.5'],
  ['1.0', '1_0'],
  ['1.0.', '1.0'],
  ['2.0.1', '2..0+1'],
  ['1.el9', '1el9'],
  ['1.0', '1.0-5.el9'],
  ['1.é', '1.'],
  ['', '-'],
]

describe('the order of rpm versions', () => {
  for (const list of orders) {
    test(`is ${list.join(' < ')}`, () => {
      for (const [index, version] of list.entries()) {
        assert.equal(compareRpm(version, version), 0)
        for (const newer of list.slice(index + 1)) {
          assert.ok(compareRpm(version, newer) < 0, `${version} < ${newer}`)
          assert.ok(compareRpm(newer, version) > 0, `${newer} > ${version}`)
        }
      }
    })
  }

  for (const [left, right] of same) {
    test(`takes "${left}" and "${right}" for the same`, () => {
      assert.equal(compareRpm(left, right), 0)
      assert.equal(compareRpm(right, left), 0)
    })
  }

  test('is antisymmetric, and transitive among versions with a release, whatever they hold', () => {
    const part = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-z.~^+:_-]{0,12}$/))
    const version = fc.tuple(part, part).map(([upstream, release]) => `${upstream}-${release}`)
    fc.assert(
      fc.property(version, version, version, (one, two, three) => {
        assert.equal(Math.sign(compareRpm(one, two)) + Math.sign(compareRpm(two, one)), 0)
        if (compareRpm(one, two) <= 0 && compareRpm(two, three) <= 0) {
          assert.ok(compareRpm(one, three) <= 0, `${one} <= ${three}`)
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('tells of a version of a hundred thousand characters at once', () => {
    for (const part of ['1', '1.', 'a', '~', '^', '-', ':', '1a', '.']) {
      const long = part.repeat(100_000 / part.length)
      const startedAt = performance.now()
      compareRpm(long, `${long}!`)
      compareRpm(long, '1.0')
      assert.ok(performance.now() - startedAt < 500, part)
    }
  })
})
