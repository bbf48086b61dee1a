import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { contentOf } from '../../layers/file-content.ts'
import type { Cataloger, FileFacts } from '../types.ts'
import { conda } from './conda.ts'
import { python } from './python.ts'

async function read(cataloger: Cataloger, path: string, content: string | Buffer): Promise<FileFacts> {
  assert.ok(cataloger.wants(path, Buffer.alloc(0)), path)
  return cataloger.read(path, contentOf(Buffer.from(content)))
}

const real: readonly [string, string, string, string][] = [
  ['mypy_extensions.METADATA', 'lib/mypy_extensions-1.1.0.dist-info/METADATA', 'mypy-extensions', '1.1.0'],
  ['six.PKG-INFO', 'usr/lib/python3/dist-packages/six-1.16.0.egg-info/PKG-INFO', 'six', '1.16.0'],
  ['six.PKG-INFO', 'lib/six-1.16.0-py3.11.egg/EGG-INFO/PKG-INFO', 'six', '1.16.0'],
  ['wsgiref.egg-info', 'usr/lib/python2.7/wsgiref.egg-info', 'wsgiref', '0.1.2'],
]
for (const [fixture, path, name, version] of real) {
  test(`${path} tells of ${name} ${version}`, async () => {
    const bytes = readFileSync(join(import.meta.dirname, 'testdata', fixture))
    assert.deepEqual(await read(python, path, bytes), { packages: [{ type: 'pypi', name, version }] })
  })
}

test('metadata without a name or a version is reported', async () => {
  for (const text of [
    '',
    'Name: a\n',
    'Version: 1\n',
    'Name: a\n\nVersion: 1\n',
    'Name: a b\nVersion: 1\n',
  ]) {
    const facts = await read(python, 'a-1.dist-info/METADATA', text)
    assert.deepEqual(facts, { unknown: 'it names no distribution and version' }, JSON.stringify(text))
  }
})

test('a requirement, a source tree and a wheel’s record are no metadata', () => {
  for (const path of [
    'app/requirements.txt',
    'app/PKG-INFO',
    'a-1.dist-info/RECORD',
    'a.egg-info/SOURCES.txt',
  ]) {
    assert.ok(!python.wants(path, Buffer.alloc(0)), path)
  }
})

describe('a record of conda', () => {
  const path = 'opt/conda/conda-meta/openssl-3.0.13-h7f8727e_0.json'
  const record = (fields: object): string =>
    JSON.stringify({ name: 'openssl', version: '3.0.13', build: 'h7f8727e_0', ...fields })

  test('tells of a program or a library, and of the channel that it came from', async () => {
    const channel = 'https://conda.anaconda.org/conda-forge/linux-64'
    assert.deepEqual(await read(conda, path, record({ channel, files: ['lib/libssl.so.3'] })), {
      packages: [{ type: 'generic', name: 'openssl', version: '3.0.13', vendor: 'conda conda-forge' }],
    })
    const facts = await read(conda, path, record({ channel: 'file:///tmp' }))
    assert.equal(facts.packages?.[0]?.vendor, 'conda')
  })

  test('of a Python distribution tells nothing, since its own metadata does', async () => {
    const files = ['lib/python3.12/site-packages/six-1.16.0.dist-info/METADATA']
    assert.deepEqual(await read(conda, 'conda-meta/six-1.16.0-py_0.json', record({ files })), {})
  })

  test('that is none is reported, and its history is not looked at', async () => {
    assert.deepEqual(await read(conda, path, '[]'), { unknown: 'it names no conda package and version' })
    assert.ok(!conda.wants('opt/conda/conda-meta/history', Buffer.alloc(0)))
    assert.ok(!conda.wants('opt/conda/conda-meta/state.json', Buffer.alloc(0)))
  })
})

test('whatever a file holds, neither cataloger throws', async () => {
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc
      .array(fc.constantFrom('Name: a', 'Version: 1', '\n', ': ', 'Name:', '\0', ' x'), { maxLength: 10 })
      .map((parts) => parts.join('\n')),
  )
  await fc.assert(
    fc.asyncProperty(text, async (content) => {
      await read(python, 'a.dist-info/METADATA', content)
      await read(conda, 'conda-meta/a-1-0.json', content)
    }),
    { numRuns: 300 },
  )
})
