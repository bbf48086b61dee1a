import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../../../test/fixtures/seeded-random.ts'
import { digestOf } from '../../kernel/digest.ts'
import { Failure } from '../../kernel/failure.ts'
import { parsePath } from '../parse-path.ts'
import { maximumBodyBytes, maximumSignatureBytes, parseSignature } from './parse-signature.ts'

const digest = digestOf('an image')
const content = Buffer.from([0x90, 1, 2, 3, 4, 5, 6, 7])

function bodyOf(bytes: Buffer): Buffer {
  const name = `${digest}@${'a'.repeat(32)}`
  return Buffer.from(
    JSON.stringify({ schemaVersion: 2, name, type: 'atomic', content: bytes.toString('base64') }),
  )
}

test('a signature is given back byte for byte, up to the largest', () => {
  const largest = Buffer.alloc(maximumSignatureBytes, 0x90)
  for (const bytes of [content, Buffer.of(0x80), largest]) {
    assert.ok(bodyOf(bytes).length <= maximumBodyBytes)
    assert.deepEqual(parseSignature(bodyOf(bytes), digest), bytes)
  }
  assert.throws(() => parseSignature(bodyOf(Buffer.concat([largest, content])), digest), {
    code: 'SIGNATURE_INVALID',
    message: /more than 65536 bytes/,
  })
})

test('whatever body comes, it is a signature of this image or refused', () => {
  const random = seededRandom(3)
  const original = bodyOf(content)
  let refused = 0
  for (let count = 0; count < 500; count++) {
    const changed = Buffer.from(original)
    changed[Math.floor(random() * changed.length)] = Math.floor(random() * 256)
    try {
      assert.ok(parseSignature(changed, digest).length > 0)
      assert.ok((JSON.parse(changed.toString()) as { name: string }).name.startsWith(`${digest}@`))
    } catch (error) {
      assert.ok(error instanceof Failure, String(error))
      assert.equal(error.code, 'SIGNATURE_INVALID')
      refused++
    }
  }
  assert.ok(refused > 250, `${refused} were refused`)
})

test('whatever path comes, it names signatures, nothing, or is refused', () => {
  const part = fc.oneof(
    fc.constantFrom('signatures', 'dev', 'app', '..', '%2e%2e', '%2F', digest),
    fc.string(),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      try {
        const path = parsePath(`/extensions/v2/${parts.join('/')}`)
        assert.ok(path === undefined || path.kind === 'signatures')
      } catch (error) {
        assert.ok(error instanceof Failure, String(error))
      }
    }),
    { numRuns: 500 },
  )
  const found = parsePath(`/extensions/v2/dev/app/signatures/${digest}`)
  assert.deepEqual(found, { kind: 'signatures', repository: 'dev/app', digest })
})
