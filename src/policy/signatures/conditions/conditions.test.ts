import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { ConditionEvaluator } from './evaluator.ts'
import { checkCondition, evaluateConditions, type ConditionResult } from './index.ts'

const now = Date.parse('2026-06-01T00:00:00Z')
const predicate = {
  result: 'PASSED',
  count: 3,
  score: 7,
  half: 7.5,
  list: [1, 2, 3],
  builder: { id: 'https://ci.example/runner' },
  timeVerified: '2026-05-20T00:00:00Z',
  nothing: null,
}

async function evaluate(
  expression: string,
  about: unknown = predicate,
): Promise<ConditionResult | undefined> {
  const variables = {
    predicate: about,
    signer: 'ci',
    claim: 'https://slsa.dev/provenance/v1',
    subject: 'sha256:1',
    now,
  }
  const [result] = await evaluateConditions([{ expression, variables }])
  return result
}

const cases: readonly [expression: string, expected: boolean | RegExp][] = [
  [`predicate.result == 'PASSED'`, true],
  [`predicate.result == 'FAILED'`, false],
  [`predicate.builder.id.startsWith('https://ci.example/')`, true],
  // Whole numbers of JSON are integers, and compare with doubles.
  ['predicate.count == 3', true],
  ['predicate.count > 2', true],
  ['size(predicate.list) == predicate.count', true],
  ['predicate.score >= 7.0', true],
  ['predicate.half > 7', true],
  ['predicate.count + 1 == 4', true],
  ['predicate.list.all(one, one < 4)', true],
  ['predicate.list.exists(one, one > 3)', false],
  [`timestamp(predicate.timeVerified) > now - duration('720h')`, true],
  [`timestamp(predicate.timeVerified) > now - duration('24h')`, false],
  [`signer == 'ci' && subject == 'sha256:1' && claim.endsWith('/v1')`, true],
  ['has(predicate.missing)', false],
  ['predicate.nothing == null', true],
  [`'${'a'.repeat(50)}!'.matches('^(a+)+$')`, false],
  ['predicate.missing == 1', /field not found: missing; ask with has/],
  ['predicate.constructor == 1', /field not found/],
  ['predicate.__proto__ == 1', /field not found/],
  [`predicate.result.constructor == 'x'`, /./],
  ['predicate.result', /gives text, not true or false/],
  ['predicate.count', /gives a number/],
  ['process.exit(1)', /./],
  ['globalThis == 1', /names a variable that there is not/],
  ['foo(1)', /unbound function/],
  ['1 +', /expecting/],
  ['true'.padEnd(3_000, ' '), /3000 characters/],
]
for (const [expression, expected] of cases) {
  test(`${expression.slice(0, 70)} is ${expected}`, async () => {
    const result = await evaluate(expression)
    if (typeof expected === 'boolean') assert.equal(result, expected)
    else assert.match(String(result), expected)
  })
}

test('an expression without an end in sight is stopped, and the next one is evaluated', async () => {
  const evaluator = new ConditionEvaluator(200)
  after(() => evaluator.close())
  const numbers = `[${Array.from({ length: 60 }, (_, index) => index).join(',')}]`
  const endless = ['a', 'b', 'c', 'd', 'e'].reduce(
    (inner, name) => `${numbers}.all(${name}, ${inner})`,
    'true',
  )
  const variables = { predicate: '{}', signer: '', claim: '', subject: '', now: '2026-01-01T00:00:00Z' }
  const results = await Promise.all([
    evaluator.evaluate({ expression: endless, variables }),
    evaluator.evaluate({ expression: 'true', variables }),
    evaluator.evaluate({ expression: 'signer == ""', variables }),
  ])
  assert.match(String(results[0]), /more than 200 ms/)
  assert.deepEqual(results.slice(1), [true, true])
})

test('an expression that needs all memory ends alone', async () => {
  const evaluator = new ConditionEvaluator(20_000)
  after(() => evaluator.close())
  const numbers = `[${'1,'.repeat(900)}1]`
  const greedy = `${numbers}.map(a, ${numbers}.map(b, a + b)).size() > ${numbers}.size() || signer == ''`
  const variables = { predicate: '{}', signer: 'x', claim: '', subject: '', now: '2026-01-01T00:00:00Z' }
  const [first, second] = await Promise.all([
    evaluator.evaluate({ expression: greedy, variables }),
    evaluator.evaluate({ expression: 'true', variables }),
  ])
  assert.ok(first !== undefined)
  assert.equal(second, true)
})

test('what is remembered is told apart by all that it depends on', async () => {
  assert.equal(await evaluate('predicate.a == 1', { a: 1 }), true)
  assert.equal(await evaluate('predicate.a == 1', { a: 2 }), false)
  assert.equal(await evaluate('predicate.a == 1', { a: 1 }), true)
})

test('a wrong expression is refused when it is written, and a right one that misses fields is not', async () => {
  await checkCondition(`predicate.deep.inside == 'x' && signer != ''`)
  await checkCondition('has(predicate.x)')
  for (const [expression, why] of [
    ['predicate.', /not valid/],
    ['foo(predicate)', /unbound function: foo/],
    ['unknown == 1', /there are predicate, signer, claim, subject and now/],
    ['1 + 1', /gives a number/],
    [`'${'x'.repeat(3_000)}' == ''`, /3006 characters|characters, more than/],
  ] as const) {
    await assert.rejects(checkCondition(expression), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'POLICY_INVALID')
      assert.match(error.message, why)
      return true
    })
  }
})

test('whatever expression and predicate come, there is an answer, and true only from what is true', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string({ maxLength: 60 }),
        fc
          .array(
            fc.constantFrom(
              'predicate',
              '.',
              'a',
              '(',
              ')',
              '[0]',
              ' == ',
              ' && ',
              '!',
              '1',
              `'x'`,
              'has',
              'size',
              ' in ',
            ),
            { maxLength: 12 },
          )
          .map((parts) => parts.join('')),
      ),
      fc.jsonValue({ maxDepth: 3 }),
      async (expression, about) => {
        const result = await evaluate(expression, about)
        assert.ok(typeof result === 'boolean' || (typeof result === 'string' && result.length > 0))
      },
    ),
    { numRuns: 400 },
  )
})
