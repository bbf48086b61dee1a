import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runGarbageModel } from '../fixtures/garbage-model.ts'

test('pitfall 22: no reachable content is lost while clients, garbage collection and kill -9 interleave', async (context) => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  context.diagnostic(`SEED=${seed}`)
  const { operations } = await runGarbageModel({ seed, durationMs: 6_000, clients: 4, killChance: 0.01 })
  assert.ok(operations > 20, `only ${operations} operations`)
})
