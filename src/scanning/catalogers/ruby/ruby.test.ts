import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { contentOf } from '../../layers/file-content.ts'
import type { FileFacts } from '../types.ts'
import { ruby } from './ruby.ts'

const specifications = 'usr/local/bundle/specifications'

async function read(content: string | Buffer): Promise<FileFacts> {
  return ruby.read(`${specifications}/a-1.gemspec`, contentOf(Buffer.from(content)))
}

const gems: readonly [string, string][] = [
  ['rack', '2.2.22'],
  ['rexml', '3.2.5'],
  ['json', '2.6.1'],
]
for (const [name, version] of gems) {
  const text = readFileSync(join(import.meta.dirname, 'testdata', `${name}-${version}.gemspec`), 'utf8')
  test(`${name} ${version} is known by its stub, and without one by its fields`, async () => {
    const facts = { packages: [{ type: 'gem', name, version }] }
    assert.deepEqual(await read(text), facts)
    assert.deepEqual(await read(text.replaceAll(/^# stub.*\n/gm, '')), facts)
  })
}

test('the platform that a gem was built for is no part of its version', async () => {
  const facts = await read('# stub: nokogiri 1.16.0 x86_64-linux lib\n')
  assert.equal(facts.packages?.[0]?.version, '1.16.0')
})

test('fields are read in the spellings that people use', async () => {
  const spellings = [
    `  s.name = 'a'\n  s.version = '1.0'`,
    `spec.name="a"\nspec.version="1.0"`,
    `\ts.name = "a".freeze\n\ts.version = Gem::Version.new("1.0")`,
  ]
  for (const text of spellings) {
    assert.deepEqual(await read(text), { packages: [{ type: 'gem', name: 'a', version: '1.0' }] }, text)
  }
})

test('a version that is computed is reported, not guessed', async () => {
  assert.deepEqual(await read('s.name = "a"\ns.version = A::VERSION\n'), {
    unknown: 'it names no gem and version',
  })
})

test('only specifications of installed gems are read', () => {
  const head = Buffer.alloc(0)
  assert.ok(ruby.wants(`${specifications}/rack-2.2.22.gemspec`, head))
  assert.ok(ruby.wants(`${specifications}/default/json-2.6.1.gemspec`, head))
  assert.ok(!ruby.wants('usr/local/bundle/gems/rack-2.2.22/rack.gemspec', head))
})

test('whatever a specification holds, it is read in bounded time and nothing is thrown', async () => {
  const part = fc.constantFrom(
    's.name',
    ' = ',
    '"a"',
    's.version',
    '\n',
    '# stub: ',
    'Gem::Version.new(',
    '\\',
    "'",
  )
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string(),
        fc.array(part).map((parts) => parts.join('')),
      ),
      async (text) => {
        await read(text)
      },
    ),
    { numRuns: 300 },
  )
  for (const text of ['\n', ' ', 's.name = ', '# stub: ', 's.name\n', 'a']) {
    const startedAt = performance.now()
    await read(text.repeat(ruby.maximumBytes / text.length))
    assert.ok(performance.now() - startedAt < 3000, JSON.stringify(text))
  }
})
