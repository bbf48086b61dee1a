import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runGarbageModel } from '../fixtures/garbage-model.ts'

const first = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

for (const seed of [first, first + 1, first + 2]) {
  test(`pitfall 22: no reachable content is lost, seed ${seed}`, async (context) => {
    const { operations, kills } = await runGarbageModel({
      seed,
      durationMs: 30_000,
      clients: 6,
      killChance: 0.004,
    })
    context.diagnostic(`${operations} operations, ${kills} kills`)
    assert.ok(operations > 100 && kills > 0)
  })
}
