import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SigningFailure } from '../failures.ts'
import { formatSubject, hasAttributes, parseSubject } from './index.ts'

const base = 'C=DE, ST=Hamburg, O=Harbour'
const oids = { C: '2.5.4.6', ST: '2.5.4.8', O: '2.5.4.10', OU: '2.5.4.11', CN: '2.5.4.3' }
type Type = keyof typeof oids
const name = (...attributes: readonly (readonly [Type, string])[]): { oid: string; value: string }[] =>
  attributes.map(([type, value]) => ({ oid: oids[type], value }))

const parsed: readonly (readonly [text: string, type: string, value: string])[] = [
  [base, 'O', 'Harbour'],
  ['C=DE,ST=Hamburg,O=Harbour', 'ST', 'Hamburg'],
  ['c=DE, s=Hamburg, o=Harbour', 'ST', 'Hamburg'],
  [`${base}, CN = release `, 'CN', 'release'],
  [String.raw`${base}, CN=a\, b\; c\\d`, 'CN', String.raw`a, b; c\d`],
  [String.raw`${base}, CN=\ a\ `, 'CN', ' a '],
  [String.raw`${base}, CN=M\C3\BCller`, 'CN', 'Müller'],
  [`${base}, CN=a=b`, 'CN', 'a=b'],
  [`${base}, CN=https://x/y:z`, 'CN', 'https://x/y:z'],
]
for (const [text, type, value] of parsed) {
  test(`reads ${JSON.stringify(value)} as ${type} of ${text}`, () => {
    assert.equal(parseSubject(text).get(type), value)
  })
}

const broken: readonly (readonly [text: string, why: RegExp])[] = [
  ['', /no "="/],
  ['*', /no "="/],
  ['C=DE', /ST, O is missing/],
  ['C=DE, ST=Hamburg', /O is missing/],
  [`${base}, O=Other`, /O stands in it twice/],
  [`${base}, S=Bremen`, /ST stands in it twice/],
  [`${base},`, /no "="/],
  [`${base}, CN=`, /CN has no value/],
  [`${base}, CN=  `, /CN has no value/],
  [`${base}, XX=1`, /type "XX"/],
  [`${base}, __proto__=1`, /type "__PROTO__"/],
  [`${base}, CN=#0c0161`, /hexadecimal/],
  [`${base}, CN=a+OU=b`, /"\+" has to be escaped/],
  [`${base}, CN="a"`, /has to be escaped/],
  [`${base}; CN=a`, /";" has to be escaped/],
  [`${base}, CN=a\\`, /backslash/],
  [String.raw`${base}, CN=a\zb`, /backslash/],
  [String.raw`${base}, CN=\ff`, /UTF-8/],
  [`${base}, CN=${'a'.repeat(3000)}`, /more than/],
]
for (const [text, why] of broken) {
  test(`refuses the name ${JSON.stringify(text.slice(0, 60))}`, () => {
    assert.throws(
      () => parseSubject(text),
      (error) => {
        assert.ok(error instanceof SigningFailure)
        assert.equal(error.code, 'SIGNER_INVALID')
        assert.match(error.message, why)
        return true
      },
    )
  })
}

const certificate = name(['C', 'DE'], ['ST', 'Hamburg'], ['O', 'Harbour'], ['CN', 'release'])
const matches: readonly (readonly [
  wanted: string,
  held: readonly { oid: string; value: string }[],
  isMatch: boolean,
])[] = [
  [base, certificate, true],
  [`${base}, CN=release`, certificate, true],
  [`${base}, CN=Release`, certificate, false],
  [`${base}, CN=releas`, certificate, false],
  [`${base}, OU=dock`, certificate, false],
  ['C=DE, ST=Hamburg, O=Harbou', certificate, false],
  [base, [...certificate, ...name(['O', 'Other'])], false],
  [base, [...name(['O', 'Harbour']), ...certificate], false],
  [base, [...certificate, ...name(['OU', 'a'], ['OU', 'b'])], true],
  [base, [], false],
]
for (const [wanted, held, isMatch] of matches) {
  test(`${wanted} ${isMatch ? 'is' : 'is not'} the name of ${formatSubject(held) || 'nobody'}`, () => {
    assert.equal(hasAttributes(held, parseSubject(wanted)), isMatch)
  })
}

test('whatever a name holds, what is printed of it is read as the same name and matches it', () => {
  const value = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' })
  fc.assert(
    fc.property(value, value, value, value, (country, state, organisation, common) => {
      const held = name(['C', country], ['ST', state], ['O', organisation], ['CN', common])
      const read = parseSubject(formatSubject(held))
      assert.deepEqual([...read.values()], [country, state, organisation, common])
      assert.ok(hasAttributes(held, read))
    }),
    { seed: 4, numRuns: 500 },
  )
})

test('any text is a name or a refusal', () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 60, unit: fc.constantFrom(...Array.from(String.raw`C=STO, \+;"#af `)) }),
      (text) => {
        try {
          assert.ok(parseSubject(text).size >= 3)
        } catch (error) {
          assert.ok(error instanceof SigningFailure)
        }
      },
    ),
    { seed: 4, numRuns: 500 },
  )
})
