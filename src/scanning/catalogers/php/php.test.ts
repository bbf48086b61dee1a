import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { contentOf } from '../../layers/file-content.ts'
import type { FileFacts } from '../types.ts'
import { php } from './php.ts'

const path = 'var/www/vendor/composer/installed.json'
const real = readFileSync(join(import.meta.dirname, 'testdata/installed.json'), 'utf8')

async function read(text: string): Promise<FileFacts> {
  return php.read(path, contentOf(Buffer.from(text)))
}

test('the packages that Composer installed are listed, without the v of their versions', async () => {
  const facts = {
    packages: [
      { type: 'composer', name: 'acme/tool', version: 'dev-main' },
      { type: 'composer', name: 'psr/log', version: '1.1.4' },
      { type: 'composer', name: 'symfony/polyfill-mbstring', version: '1.27.0' },
    ],
  }
  assert.deepEqual(await read(real), facts)
  // Composer 1 wrote the list itself.
  assert.deepEqual(await read(JSON.stringify((JSON.parse(real) as { packages: unknown }).packages)), facts)
})

test('an application without packages is no unknown', async () => {
  assert.deepEqual(await read('{"packages": [], "dev": false}'), { packages: [] })
})

test('what is no list of packages is reported', async () => {
  for (const text of ['', '{', '{}', 'null', '{"packages": {}}']) {
    assert.deepEqual(await read(text), { unknown: 'it lists no packages' }, text)
  }
})

test('Composer’s own records are read, whatever the folder around them is called', () => {
  const head = Buffer.alloc(0)
  assert.ok(php.wants(path, head))
  assert.ok(php.wants('srv/lib/composer/installed.json', head))
  assert.ok(!php.wants('var/www/composer.json', head))
  assert.ok(!php.wants('var/www/installed.json', head))
})

test('whatever the list holds, nothing is thrown and no package is without a name', async () => {
  const entry = fc.record({ name: fc.anything(), version: fc.anything() }, { requiredKeys: [] })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(fc.json(), entry)), async (packages) => {
      const { packages: found = [] } = await read(
        JSON.stringify({ packages }, (_, value) => (typeof value === 'bigint' ? 0 : value) as unknown),
      )
      assert.ok(found.every(({ name, version }) => name !== '' && version !== ''))
    }),
    { numRuns: 300 },
  )
})
