import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { ConditionEvaluator } from './evaluator.ts'
import { checkCondition, evaluateConditions, type ConditionResult } from './index.ts'
import { textOfPredicate } from './predicate-text.ts'
import type { PredicateText } from './types.ts'

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
  huge: 2 ** 60,
  one: 1.0,
}
const plain = {
  predicate: textOfPredicate({}) as PredicateText,
  signer: 'x',
  claim: '',
  subject: '',
  now,
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
  ['predicate.one == 1 && predicate.one == 1.0', true],
  ['predicate.list == [1.0, 2.0, 3.0] && 2.0 in predicate.list', true],
  ['predicate.score * 1.5 > 10.0', /\* is not for int and double; .* write double\(…\) around them/],
  ['double(predicate.score) * 1.5 > 10.0', true],
  ['predicate.score / 2 == 3', true],
  // What JavaScript cannot tell from its neighbours is a double.
  ['predicate.huge > 1 && type(predicate.huge) == double', true],
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
  [`predicate.result.constructor == 'x'`, /field not found/],
  ['predicate.hasOwnProperty("result")', /unbound function/],
  // Names that every object of the host has are no variables.
  ['__proto__ == {}', /names a variable that there is not/],
  ['constructor == 1', /names a variable that there is not/],
  ['toString == 1', /names a variable that there is not/],
  ['has(__proto__.x)', false],
  ['predicate.result', /gives string, not true or false/],
  ['predicate.count', /gives int/],
  ['predicate.list', /gives list/],
  ['now', /gives timestamp/],
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
  const [first, ...others] = await Promise.all([
    evaluator.evaluate({ expression: endless, variables: plain }),
    evaluator.evaluate({ expression: 'true', variables: plain }),
    evaluator.evaluate({ expression: 'signer == "x"', variables: plain }),
  ])
  assert.match(String(first?.result), /more than 200 ms/)
  assert.equal(first?.hasEndedProcess, true)
  assert.deepEqual(others, [{ result: true }, { result: true }])
})

const long = `['aaaaaaaa']${'.map(a, a + a)'.repeat(23)}[0]`
for (const greedy of [
  `${long}.split('').size() == 3`,
  `bytes(${long}) == b'b'`,
  `[b'aaaaaaaa']${'.map(a, a + a)'.repeat(26)}[0] == b'b'`,
  `[[1, 2, 3, 4]]${'.map(a, a + a)'.repeat(25)}[0].map(a, a) == []`,
  `${long}.replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa').contains('b')`,
]) {
  test(`an expression that needs much memory ends alone: ${greedy.slice(-50)}`, async () => {
    const evaluator = new ConditionEvaluator(2_000)
    after(() => evaluator.close())
    const [first, second] = await Promise.all([
      evaluator.evaluate({ expression: greedy, variables: plain }),
      evaluator.evaluate({ expression: 'true', variables: plain }),
    ])
    assert.notEqual(first?.result, true)
    assert.deepEqual(second, { result: true })
  })
}

test('a predicate that needs all memory ends alone, and counts for nothing', async () => {
  const evaluator = new ConditionEvaluator(20_000)
  after(() => evaluator.close())
  const predicateOfMaps = textOfPredicate({ maps: Array.from({ length: 1_300_000 }, () => ({})) })
  assert.ok(typeof predicateOfMaps !== 'string')
  const [first, second] = await Promise.all([
    evaluator.evaluate({ expression: 'true', variables: { ...plain, predicate: predicateOfMaps } }),
    evaluator.evaluate({ expression: 'true', variables: plain }),
  ])
  assert.deepEqual(first, { result: 'it needs too much memory', hasEndedProcess: true })
  assert.deepEqual(second, { result: true })
})

test('a predicate of megabytes is read once for all that is asked of it', async () => {
  const packages = Array.from({ length: 40_000 }, (_, index) => ({
    name: `package-${index}`,
    version: '1.2.3',
    license: 'NOASSERTION',
    isAnalysed: false,
  }))
  const about = { packages }
  assert.ok(JSON.stringify(about).length > 3_000_000)
  const requests = ['40000', '39999'].flatMap((size) =>
    ['ci', 'release'].map((signer) => ({
      expression: `size(predicate.packages) == ${size} && predicate.packages[7].name == 'package-7'`,
      variables: { predicate: about, signer, claim: '', subject: '', now },
    })),
  )
  assert.deepEqual(await evaluateConditions(requests), [true, true, false, false])
  assert.equal(textOfPredicate(about), textOfPredicate(about))
})

test('of many endless conditions of one image only some are tried', async () => {
  const list = Array.from({ length: 300 }, (_, index) => index)
  const loops = (inner: string): string =>
    ['a', 'b', 'c', 'd'].reduce((all, name) => `predicate.all(${name}, ${all})`, inner)
  const variables = { predicate: list, signer: '', claim: '', subject: '', now }
  const requests = Array.from({ length: 8 }, (_, index) => ({
    expression: loops(`${index} == ${index}`),
    variables,
  }))
  const results = await evaluateConditions([...requests, { expression: 'true', variables }])
  assert.deepEqual(
    results.map((result) => /takes more than|took too long/.exec(String(result))?.[0]),
    [...Array(4).fill('takes more than'), ...Array(5).fill('took too long')],
  )
  assert.equal(await evaluate('predicate.result == "PASSED"'), true)
})

const unreadable: readonly [name: string, about: unknown, at: number, why: RegExp][] = [
  ['nested without an end', nest(20_000), now, /cannot be read/],
  ['of more than 4 MiB', 'x'.repeat(4 * 1024 * 1024), now, /more than 4194304/],
  ['at a time that is none', {}, Number.NaN, /Invalid time/],
]
for (const [name, about, at, why] of unreadable) {
  test(`an attestation ${name} makes no condition true, and breaks nothing`, async () => {
    const variables = { predicate: about, signer: '', claim: '', subject: '', now: at }
    const [result, next] = await evaluateConditions([
      { expression: 'true', variables },
      { expression: 'true', variables: { ...variables, predicate: 1, now } },
    ])
    assert.match(String(result), why)
    assert.equal(next, true)
  })
}

function nest(depth: number): unknown {
  let nested: unknown = 1
  for (let index = 0; index < depth; index++) nested = [nested]
  return nested
}

test('a program that has its answers ends by itself', async () => {
  const index = JSON.stringify(join(import.meta.dirname, 'index.ts'))
  const variables = `{ predicate: {}, signer: '', claim: '', subject: '', now: 0 }`
  const program = `import { evaluateConditions } from ${index}
    console.log(await evaluateConditions([{ expression: '1 == 1', variables: ${variables} }]))`
  const options = { timeout: 30_000 }
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', program],
    options,
  )
  assert.equal(stdout.trim(), '[ true ]')
})

test('what depends on the time is asked anew', async () => {
  const expression = `now > timestamp('2026-01-01T00:00:00Z')`
  const at = async (time: string): Promise<unknown> => {
    const variables = { predicate, signer: '', claim: '', subject: '', now: Date.parse(time) }
    return (await evaluateConditions([{ expression, variables }]))[0]
  }
  assert.equal(await at('2025-06-01T00:00:00Z'), false)
  assert.equal(await at('2026-06-01T00:00:00Z'), true)
})

test('what is remembered is told apart by all that it depends on', async () => {
  assert.equal(await evaluate('predicate.a == 1', { a: 1 }), true)
  assert.equal(await evaluate('predicate.a == 1', { a: 2 }), false)
  assert.equal(await evaluate('predicate.a == 1', { a: 1 }), true)
})

const accepted = [
  `predicate.deep.inside == 'x' && signer != ''`,
  'has(predicate.x)',
  'predicate.a ? predicate.b == 1 : predicate.c',
  `predicate.list.filter(one, one.size > 3).map(one, one.name).exists_one(name, name == 'x')`,
  `predicate['https://a.example/b'].all(key, key.startsWith('a'))`,
  `now - timestamp(predicate.at) < duration('24h') && now.getFullYear() > 2020`,
  'predicate.size() > 3 || size(predicate.list) + 1 > 3',
  `type(predicate.x) == int && type(now) == google.protobuf.Timestamp`,
  `signer.split('-')[0].lowerAscii() in ['a', 'b'] && strings.quote(claim) != ''`,
  `-predicate.x < 3 && !predicate.y && {'a': predicate.z}.a == 1 && .signer == ''`,
]
for (const expression of accepted) {
  test(`can be written: ${expression}`, () => checkCondition(expression))
}

const refused: readonly [expression: string, why: RegExp][] = [
  ['predicate.', /line 1:\d+/],
  ['predicate.a ==\n 1 &&', /line 2:4/],
  ['foo(predicate)', /line 1:1: there is no function foo/],
  ['unknown == 1', /there are predicate, signer, claim, subject and now/],
  // CEL would tell of these only when an image waits, or never.
  [`signer == 'ci' && foo(predicate)`, /line 1:19: there is no function foo/],
  [`signer == 'ci' &&\n sygner == 'ci'`, /line 2:2: sygner is a variable that there is not/],
  ['!has(predicat.exemption)', /line 1:6: predicat is a variable that there is not/],
  ['[1].all(x, x < y)', /y is a variable that there is not/],
  ['predicate.list.all(x, true) && x == 1', /x is a variable that there is not/],
  ['predicate.a && now > 3', /> is not for timestamp and int/],
  ['predicate.a && signer.startsWith(3)', /startsWith is not for string and int/],
  ['predicate.a && size(signer, 1) == 2', /size is not for string and int/],
  ['predicate.a && signer.length == 1', /\.length is not for string, which has no fields/],
  ['predicate.a && 1 + 1', /&& is not for int/],
  ['predicate.a && signer.all(x, x == 1)', /nothing to go through in string/],
  ['predicate.score * 2 + 1.5 > 1', /\+ is not for int and double; .*write double/],
  ['claim.matches("(")', /error parsing regexp/],
  ['1 + 1', /gives int/],
  ['size(predicate.list)', /gives int/],
  ['predicate.a ? 1 : 2', /gives int/],
  ['signer', /gives string/],
  ['predicate', /gives map/],
  [`'${'x'.repeat(3_000)}' == ''`, /3008 characters, more than 2000/],
]
for (const [expression, why] of refused) {
  test(`cannot be written: ${expression.slice(0, 60)}`, () =>
    assert.rejects(checkCondition(expression), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'POLICY_INVALID')
      assert.match(error.message, why)
      return true
    }))
}

test('what is true of some attestation can be written', async () => {
  const values = fc.oneof(
    fc.constantFrom('predicate.a', 'predicate.list[0]', '1', '2.0', `'x'`, 'signer', 'now', 'true', 'null'),
    fc.constantFrom(
      'size(predicate.list)',
      `timestamp('2020-01-01T00:00:00Z')`,
      `duration('1h')`,
      'now - now',
    ),
    fc.constantFrom('[1]', '{}'),
  )
  const comparison = fc
    .tuple(values, fc.constantFrom('==', '!=', '<', '>=', 'in'), values)
    .map((parts) => parts.join(' '))
  const one = fc.oneof(
    comparison,
    comparison.map((inner) => `!(${inner})`),
    comparison.map((inner) => `predicate.list.all(x, ${inner.replace('predicate.a', 'x')})`),
    comparison.map((inner) => `[1, 2].exists(x, ${inner.replace('1', 'x')})`),
    fc.tuple(values, values).map(([left, right]) => `(${left} + ${right}) != 5`),
    fc.tuple(values, values).map(([left, right]) => `has(predicate.a) ? ${left} == 1 : ${right} == 1`),
  )
  let count = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(one, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(' && ')),
      fc.constantFrom(1, 1.5, 'x', true, [1]),
      async (expression, a) => {
        if ((await evaluate(expression, { a, list: [1] })) !== true || expression.includes('?')) return
        count++
        await checkCondition(expression)
      },
    ),
    { numRuns: 1_500 },
  )
  assert.ok(count > 30, `only ${count} were true`)
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
