import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { digestOf, parseDigest } from './digest.ts'
import { Failure } from './failure.ts'
import {
  formatImageName,
  parseImageName,
  parseReference,
  parseRepositoryName,
  parseTag,
} from './reference.ts'

const hex = 'a'.repeat(64)

test('a repository name is lower-case parts joined by slashes', () => {
  for (const name of ['a', 'dev/app', 'dev/my_app', 'dev/my__app', 'dev/a-b--c', 'a.b/c.d', '1/2/3/4']) {
    assert.equal(parseRepositoryName(name), name)
  }
})

test('pitfall 15: names that could leave their folder or hide a reserved one are refused', () => {
  const bad = [
    '',
    '.',
    '..',
    'a/..',
    '../a',
    'a//b',
    '/a',
    'a/',
    '_uploads',
    'a/_uploads',
    '.uploads',
    'a%2fb',
  ]
  const worse = ['a\0b', 'A', 'a/B', 'a___b', 'a..b', 'a b', 'a\nb', 'ä', 'a'.repeat(256)]
  for (const name of [...bad, ...worse]) refuses(() => parseRepositoryName(name), 'NAME_INVALID')
})

test('a tag has up to 128 characters and begins with a word character', () => {
  for (const tag of ['latest', 'v1.0', '_x', 'a'.repeat(128)]) assert.equal(parseTag(tag), tag)
  for (const tag of ['', '.x', '-x', 'a'.repeat(129), 'a/b', 'a b', 'a\n']) {
    refuses(() => parseTag(tag), 'TAG_INVALID')
  }
})

test('pitfall 15: only sha256 and sha512 with lower-case hex of the right length are digests', () => {
  assert.equal(parseDigest(`sha256:${hex}`), `sha256:${hex}`)
  assert.equal(parseDigest(digestOf('x', 'sha512')).length, 135)
  const bad = [
    '',
    'sha256',
    'sha256:',
    `sha256:${hex}a`,
    `sha256:${hex.slice(1)}`,
    `sha256:${hex.toUpperCase()}`,
  ]
  const worse = [
    `md5:${'a'.repeat(32)}`,
    `sha512:${hex}`,
    `SHA256:${hex}`,
    `sha256:../${hex}`,
    `sha384:${hex}`,
  ]
  for (const text of [...bad, ...worse, '__proto__:x']) refuses(() => parseDigest(text), 'DIGEST_INVALID')
})

test('a reference with a colon is a digest or an error, never a tag', () => {
  assert.deepEqual(parseReference('v1'), { kind: 'tag', tag: 'v1' })
  assert.deepEqual(parseReference(`sha256:${hex}`), { kind: 'digest', digest: `sha256:${hex}` })
  refuses(() => parseReference('sha257:abc'), 'DIGEST_INVALID')
})

test('an image name is read as people write it', () => {
  assert.equal(formatImageName(parseImageName('dev/app')), 'dev/app:latest')
  assert.equal(formatImageName(parseImageName('dev/app:1.0')), 'dev/app:1.0')
  assert.equal(formatImageName(parseImageName(`dev/app:1.0@sha256:${hex}`)), `dev/app@sha256:${hex}`)
})

test('whatever text comes in, parsers answer or refuse with a failure', () => {
  const parsers = [parseRepositoryName, parseTag, parseDigest, parseReference, parseImageName]
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string().map((end) => `sha256:${end}`),
  )
  fc.assert(
    fc.property(fc.constantFrom(...parsers), text, (parse, input) => {
      try {
        parse(input)
      } catch (error) {
        assert.ok(error instanceof Failure)
      }
    }),
  )
})

function refuses(act: () => unknown, code: string): void {
  assert.throws(act, (error) => error instanceof Failure && error.code === code)
}
