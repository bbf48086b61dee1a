import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { packageTypes } from '../types.ts'
import { compareDeb } from './compare-deb.ts'
import { versionOrders } from './index.ts'

/** Each list goes from the oldest to the newest. */
const orders: Readonly<Record<string, readonly (readonly string[])[]>> = {
  deb: [
    ['1.0~rc1-1', '1.0-1', '1.0-1+b1', '1.0-1.1', '1.0-2', '1.0.1-1', '1:0.1-1'],
    ['2.36-9+deb12u9', '2.36-9+deb12u10', '2.37-1'],
    ['1.2.13.dfsg-1', '1.2.13.dfsg-1+deb12u1', '1.2.14'],
    ['5.36.0-7+deb12u3', '5.36.0-7+deb12u4'],
    ['1.0~~', '1.0~', '1.0', '1.0a', '1.0+'],
  ],
  apk: [
    ['1.0_alpha1', '1.0_beta', '1.0_pre2', '1.0_rc1', '1.0', '1.0_p1', '1.0a', '1.0.1', '1.1', '1.10'],
    ['3.1.4-r0', '3.1.4-r1', '3.1.4-r10', '3.1.5-r0'],
    ['1.36.1-r2', '1.36.1-r15'],
    ['not a version', '0.0.1'],
    // Versions that break the format, as some of Alpine's own do, count as far as they keep it.
    ['6.5-r9', '6.6.2-r0', '6.6.2p1-r0', '6.6.3-r0'],
    ['1.2.30-r0', '1.2.31-0', '1.2.31', '1.2.31-r0', '1.2.32-r0'],
    ['0.1.0_alpha_pre2', '0.1.0_alpha', '0.1.0_alpha2', '0.1.0', '0.1.0_p'],
    ['1.02', '1.02.07', '1.03-r1', '1.1'],
  ],
  npm: [['0', '1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-rc.1', '1.0.0', '1.0.1', '1.2.0', '1.10.0']],
  golang: [
    ['v0.0.0-20190101000000-abcdefabcdef', 'v0.0.0-20200101000000-abcdefabcdef', 'v0.1.0', '0.2.0'],
    ['1.19.4', '1.22.0-rc.1', '1.22.0', '1.22.1'],
    ['v2.0.0', 'v2.0.1+incompatible', 'v2.1.0'],
  ],
  pypi: [['0', '1.0.dev1', '1.0a1', '1.0b2', '1.0rc1', '1.0', '1.0.post1', '1.1', '1.10', '1!0.1']],
}

for (const [type, lists] of Object.entries(orders)) {
  const compare = versionOrders[type as 'deb']
  for (const list of lists) {
    test(`${type}: ${list.join(' < ')}`, () => {
      for (const [index, version] of list.entries()) {
        assert.equal(compare(version, version), 0)
        for (const newer of list.slice(index + 1)) {
          assert.ok(compare(version, newer) < 0, `${version} < ${newer}`)
          assert.ok(compare(newer, version) > 0, `${newer} > ${version}`)
        }
      }
    })
  }
}

describe('whatever versions say', () => {
  const version = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-z.~+:_-]{0,20}$/))
  for (const type of packageTypes) {
    test(`${type}: the order is antisymmetric and never throws`, () => {
      fc.assert(
        fc.property(version, version, (left, right) => {
          const there = Math.sign(versionOrders[type](left, right))
          assert.equal(there + Math.sign(versionOrders[type](right, left)), 0)
        }),
      )
    })
  }
})

test('deb: the order is dpkg’s', { skip: !existsSync('/usr/bin/dpkg') && 'PEER MISSING: dpkg' }, () => {
  const part = fc.stringMatching(/^[0-9][0-9a-z.~+]{0,8}$/)
  const version = fc.oneof(
    part,
    fc.tuple(part, part).map(([upstream, revision]) => `${upstream}-${revision}`),
  )
  fc.assert(
    fc.property(version, version, (left, right) => {
      const says = (operator: string): boolean => {
        try {
          execFileSync('dpkg', ['--compare-versions', left, operator, right], { stdio: 'ignore' })
          return true
        } catch {
          return false
        }
      }
      assert.equal(compareDeb(left, right) < 0, says('lt'), `${left} lt ${right}`)
    }),
    { numRuns: 60 },
  )
})
