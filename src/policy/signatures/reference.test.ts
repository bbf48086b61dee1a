import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isNamed, namesForSigners, readSignedReference } from './reference.ts'

const digest = `sha256:${'a'.repeat(64)}`

const cases: readonly [text: string, expected: object | undefined][] = [
  ['r.example/prod/shop:1.0', { host: 'r.example', repository: 'prod/shop', tag: '1.0' }],
  ['r.example:5000/shop', { host: 'r.example:5000', repository: 'shop' }],
  ['localhost/shop', { host: 'localhost', repository: 'shop' }],
  ['prod/shop:1.0', { repository: 'prod/shop', tag: '1.0' }],
  ['shop', { repository: 'shop' }],
  [`r.example/shop:1@${digest}`, { host: 'r.example', repository: 'shop', tag: '1', digest }],
  ['', undefined],
  ['r.example/', undefined],
  ['r.example/Shop', undefined],
  ['r.example/shop:', undefined],
  ['r.example/shop@sha256:short', undefined],
  [`r.example/shop@${digest}@${digest}`, undefined],
  ['r.example/../shop', undefined],
  ['*/prod/shop', undefined],
  ['r.example//shop', undefined],
  [`r.example/${'a'.repeat(600)}`, undefined],
]
for (const [text, expected] of cases) {
  test(`${JSON.stringify(text.slice(0, 60))} is ${expected ? 'read' : 'no reference'}`, () => {
    assert.deepEqual(readSignedReference(text), expected)
  })
}

test('no text makes reading a reference throw, or gives a wildcard for a host', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (text) => {
      assert.notEqual(readSignedReference(text)?.host, '*')
    }),
    { numRuns: 1000 },
  )
})

test('an image goes by any host when none is named, and only by those that are', () => {
  const shop = readSignedReference('evil.example/prod/shop') ?? assert.fail()
  assert.ok(isNamed(shop, namesForSigners({ mirrors: {} }, ['prod/shop'])))
  assert.ok(!isNamed(shop, namesForSigners({ mirrors: {}, hosts: ['r.example'] }, ['prod/shop'])))
  const bare = readSignedReference('prod/shop') ?? assert.fail()
  assert.ok(!isNamed(bare, namesForSigners({ mirrors: {}, hosts: ['r.example'] }, ['prod/shop'])))
})

test('a mirrored repository also goes by the name that it has where it comes from', () => {
  const mirrors = { k8s: 'registry.k8s.io', 'hub/library': 'docker.io/library' }
  assert.deepEqual(namesForSigners({ mirrors }, ['k8s/pause', 'hub/library/nginx', 'k8sx/pause']), [
    '*/k8s/pause',
    'registry.k8s.io/pause',
    '*/hub/library/nginx',
    'docker.io/library/nginx',
    '*/k8sx/pause',
  ])
})
