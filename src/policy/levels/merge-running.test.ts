import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isolationLevels, type RunningStatement } from '../rules-schema.ts'
import { findLooser } from './compare-rules.ts'
import { mergeRunning } from './merge-running.ts'
import type { PolicyLevel } from './types.ts'

const statement = fc.record(
  {
    isolation: fc.constantFrom(...isolationLevels),
    quarantined: fc.constantFrom('report' as const, 'evict' as const),
    breakGlassHours: fc.integer({ min: 1, max: 10 }),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<RunningStatement>
const level = fc.record({
  level: fc.constantFrom('organisation', 'project shop', 'project shop, repositories shop/a', 'stage prod'),
  rules: statement.map((running) => ({ running })),
}) as fc.Arbitrary<PolicyLevel>

const strength = ({ isolation }: RunningStatement = {}): number =>
  isolation ? isolationLevels.indexOf(isolation) : -1

test('no level more makes what holds weaker, in whatever order they come', () => {
  fc.assert(
    fc.property(fc.array(level, { maxLength: 4 }), level, (levels, more) => {
      const [before, after] = [mergeRunning(levels) ?? {}, mergeRunning([...levels, more]) ?? {}]
      assert.ok(strength(after) >= strength(before))
      if (before.quarantined === 'evict') assert.equal(after.quarantined, 'evict')
      // A project alone never lets glass be broken, and never for longer.
      const isProject = more.level.startsWith('project')
      const [hours, hoursAfter] = [before.breakGlassHours ?? 0, after.breakGlassHours ?? 0]
      if (isProject) assert.ok(hoursAfter <= hours)
      assert.deepEqual(mergeRunning([more, ...levels]), mergeRunning([...levels, more]))
    }),
    { numRuns: 2_000 },
  )
})

test('a lower level that says less than a higher one is found, and one that says more is not', () => {
  fc.assert(
    fc.property(statement, statement, (higher, lower) => {
      const isLooser =
        (lower.isolation !== undefined && strength(lower) < strength(higher)) ||
        (higher.quarantined === 'evict' && lower.quarantined === 'report') ||
        (lower.breakGlassHours ?? 0) > (higher.breakGlassHours ?? Infinity)
      assert.equal(findLooser({ running: higher }, { running: lower }).length > 0, isLooser)
    }),
    { numRuns: 2_000 },
  )
})
