import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Ajv, type AnySchema } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import fc from 'fast-check'
import { Failure } from '../../kernel/failure.ts'
import { readVex, writeVex } from './read-vex.ts'
import { justifications, vexFormats, vexStatuses, type VexStatement } from './types.ts'
import { cycloneDxOfJustification, justificationOfCycloneDx } from './words.ts'

const read = (name: string): string => readFileSync(join(import.meta.dirname, 'testdata', name), 'utf8')
const shop = `pkg:oci/shop@sha256%3A${'1'.repeat(64)}`

const expected = [
  {
    vulnerability: 'CVE-2021-44906',
    aliases: ['GHSA-xvch-5gv4-984h'],
    status: 'not_affected',
    justification: 'vulnerable_code_not_in_execute_path',
    products: [{ id: shop, subcomponents: ['pkg:npm/minimist@0.2.3'] }],
    author: 'Shop team',
  },
  {
    vulnerability: 'GHSA-35jh-r3h4-6jhm',
    aliases: [],
    status: 'affected',
    actionStatement: 'update lodash to 4.17.21',
    products: [{ id: shop, subcomponents: ['pkg:npm/lodash@4.17.20'] }],
    author: 'Shop team',
  },
  {
    vulnerability: 'CVE-2024-0001',
    aliases: [],
    status: 'under_investigation',
    products: [{ id: shop, subcomponents: [] }],
    author: 'Shop team',
  },
]

for (const [format, name] of [
  ['openvex', 'shop.openvex.json'],
  ['cyclonedx', 'shop.cdx.json'],
  ['csaf', 'shop.csaf.json'],
] as const) {
  test(`${format}: the shop's statements are read as in the other formats, and what nobody could match is named`, () => {
    const document = readVex(read(name))
    assert.equal(document.format, format)
    assert.equal(document.timestamp, Date.parse('2026-01-02T00:00:00Z'))
    assert.deepEqual(
      document.statements.map((one) => ({ ...one, timestamp: 0 })),
      expected.map((one) => ({ ...one, timestamp: 0 })),
    )
    assert.equal(document.skipped.length, 1)
    assert.match(document.skipped[0]?.why ?? '', /package URL/)
  })
}

test('a statement that carries its own time keeps it, the others have the document’s', () => {
  const times = readVex(read('shop.openvex.json')).statements.map(({ timestamp }) => timestamp)
  const [document, own] = ['2026-01-02T00:00:00Z', '2026-01-01T12:00:00Z'].map(Date.parse)
  assert.deepEqual(times, [document, own, document])
})

test("a real document is read: Trivy's own about its images", () => {
  const { statements, skipped, author } = readVex(read('trivy-oci.openvex.json'))
  assert.equal(author, 'Aqua Security')
  assert.equal(skipped.length, 0)
  const [first] = statements
  assert.equal(first?.vulnerability, 'CVE-2023-42363')
  assert.equal(first?.justification, 'vulnerable_code_cannot_be_controlled_by_adversary')
  assert.equal(first?.products.length, 3)
  assert.ok(first?.products[0]?.subcomponents.includes('pkg:apk/alpine/ssl_client'))
})

const refused: readonly [name: string, text: string, why: RegExp][] = [
  ['no JSON', 'not json', /not JSON/],
  ['an array', '[]', /neither/],
  ['null', 'null', /no JSON object/],
  ['a key twice', '{"@context":"a","@context":"b"}', /twice/],
  ['too deep', '['.repeat(100) + ']'.repeat(100), /nested deeper/],
  [
    'a status that there is not',
    JSON.stringify({
      '@context': 'https://openvex.dev/ns/v0.2.0',
      '@id': 'x',
      author: 'a',
      timestamp: '2026-01-01T00:00:00Z',
      statements: [{ vulnerability: { name: 'CVE-1' }, status: 'fine' }],
    }),
    /statements\/0\/status/,
  ],
  [
    'a time that is none',
    JSON.stringify({
      document: {
        csaf_version: '2.0',
        publisher: { name: 'a' },
        tracking: { id: 'x', current_release_date: 'soon' },
      },
    }),
    /not a time/,
  ],
]
for (const [name, text, why] of refused) {
  test(`refused with the reason: ${name}`, () => {
    assert.throws(
      () => readVex(text),
      (error) => error instanceof Failure && error.code === 'VEX_INVALID' && why.test(error.message),
    )
  })
}

test('not_affected without a justification or an impact statement is left out and named', () => {
  const document = JSON.parse(read('shop.openvex.json')) as { statements: Record<string, unknown>[] }
  delete document.statements[0]?.['justification']
  const { statements, skipped } = readVex(JSON.stringify(document))
  assert.equal(statements.length, 2)
  assert.match(skipped[0]?.why ?? '', /needs a justification/)
})

test('a product whose subcomponents cannot be read is left out, never widened to all of the product', () => {
  const document = JSON.parse(read('shop.openvex.json')) as {
    statements: { products: { subcomponents?: { '@id': string }[] }[] }[]
  }
  const [product] = document.statements[0]?.products ?? []
  if (product) product.subcomponents = [{ '@id': 'cpe:2.3:a:x' }]
  assert.equal(readVex(JSON.stringify(document)).statements[0]?.vulnerability, 'GHSA-35jh-r3h4-6jhm')
})

test('a component of a product without a package URL says nothing about that component elsewhere (CSAF)', () => {
  const document = JSON.parse(read('shop.csaf.json')) as {
    product_tree: { branches?: unknown }
  }
  delete document.product_tree.branches
  const { statements, skipped } = readVex(JSON.stringify(document))
  assert.equal(statements.length, 0)
  assert.equal(skipped.length, 4)
})

test('every justification survives the way to CycloneDX and back', () => {
  for (const word of justifications) {
    assert.equal(justificationOfCycloneDx[cycloneDxOfJustification[word]], word)
  }
  const schema = cycloneDxSchema() as { definitions: Record<string, { enum?: string[] }> }
  const known = schema.definitions['impactAnalysisJustification']?.enum ?? []
  assert.deepEqual(Object.keys(justificationOfCycloneDx).toSorted(), known.toSorted())
})

const statement = fc
  .record({
    vulnerability: fc.integer({ min: 1000, max: 1200 }).map((number) => `CVE-2026-${number}`),
    aliases: fc.subarray(['GHSA-aaaa-bbbb-cccc', 'GO-2026-1']),
    status: fc.constantFrom(...vexStatuses),
    justification: fc.constantFrom(...justifications),
    packages: fc.subarray(['pkg:npm/a@1', 'pkg:npm/%40s/b@2', 'pkg:deb/debian/openssl@3?arch=amd64']),
    notes: fc.constantFrom('a note', 'another “note”'),
  })
  .map(({ justification, packages, notes, ...rest }): VexStatement => ({
    ...rest,
    ...(rest.status === 'not_affected' ? { justification, impactStatement: notes } : { notes }),
    ...(rest.status === 'affected' ? { actionStatement: 'update it' } : {}),
    products: [{ id: shop, subcomponents: packages }],
    author: 'Harbour',
    timestamp: Date.UTC(2026, 5, 1),
  }))
const statements = fc.uniqueArray(statement, {
  minLength: 1,
  maxLength: 8,
  selector: ({ vulnerability }) => vulnerability,
})
const written = (list: readonly VexStatement[]) => ({
  uuid: '3e671687-395b-41f5-a30f-a58921a69b79',
  title: 'VEX of shop',
  author: 'Harbour',
  namespace: 'https://registry.example',
  timestamp: Date.UTC(2026, 5, 1),
  statements: list,
})

describe('a document that we write', () => {
  for (const format of vexFormats) {
    const isValid = validatorOf(format)
    test(`${format}: is valid by the official schema, and says the same when it is read back`, () => {
      fc.assert(
        fc.property(statements, (list) => {
          const text = JSON.stringify(writeVex[format](written(list)))
          assert.ok(isValid(JSON.parse(text)), JSON.stringify(isValid.errors?.slice(0, 3)))
          assert.deepEqual(saysOf(readVex(text).statements), saysOf(list))
        }),
        { numRuns: 100 },
      )
    })
  }
})

/** One line for each package and vulnerability; grouping is a format's own business. */
function saysOf(list: readonly VexStatement[]): string[] {
  return list
    .flatMap(({ vulnerability, aliases, status, justification, actionStatement, products }) =>
      products.flatMap(({ id, subcomponents }) =>
        (subcomponents.length === 0 ? ['all'] : subcomponents).map((part) =>
          [vulnerability, [...aliases].toSorted(), status, justification, actionStatement, id, part].join(
            ' ',
          ),
        ),
      ),
    )
    .toSorted()
}

test('whatever a document holds, reading it ends with statements or a Failure', () => {
  const documents = ['shop.openvex.json', 'shop.cdx.json', 'shop.csaf.json'].map(
    (name) => JSON.parse(read(name)) as object,
  )
  fc.assert(
    fc.property(
      fc.constantFrom(...documents),
      fc.array(fc.tuple(fc.nat(), fc.jsonValue({ maxDepth: 3 })), { maxLength: 4 }),
      (document, changes) => {
        const text = JSON.stringify(
          changes.reduce((before, [at, value]) => replaceAt(before, at, value), document),
        )
        try {
          readVex(text)
        } catch (error) {
          assert.ok(error instanceof Failure, String(error))
        }
      },
    ),
    { numRuns: 500 },
  )
})

/** A copy in which one value, the `at`-th in order, is another one. */
function replaceAt(document: object, at: number, value: unknown): object {
  let count = 0
  JSON.stringify(document, (_key, one: unknown) => (count++, one))
  const wanted = 1 + (at % Math.max(1, count - 1))
  let index = 0
  return JSON.parse(
    JSON.stringify(document, (_key, one: unknown) => (index++ === wanted ? value : one)),
  ) as object
}

test('a document made to grow through its groups is refused or read, at once', () => {
  const ids = Array.from({ length: 3_000 }, (_, index) => `p${index}`)
  const document = {
    document: {
      csaf_version: '2.0',
      publisher: { name: 'a' },
      tracking: { id: 'x', current_release_date: '2026-01-01' },
    },
    product_tree: {
      full_product_names: ids.map((id) => ({
        product_id: id,
        product_identification_helper: { purl: 'pkg:npm/a' },
      })),
      product_groups: [{ group_id: 'g', product_ids: ids }],
    },
    vulnerabilities: Array.from({ length: 60 }, (_, index) => ({
      cve: `CVE-2026-${index}`,
      product_status: { known_not_affected: ids },
      flags: Array.from({ length: 200 }, () => ({ label: justifications[0], group_ids: ['g'] })),
    })),
  }
  const begun = performance.now()
  assert.throws(() => readVex(JSON.stringify(document)), { code: 'VEX_INVALID' })
  assert.ok(performance.now() - begun < 5_000)
})

function validatorOf(format: (typeof vexFormats)[number]) {
  if (format === 'cyclonedx') {
    const ajv = new Ajv({ strict: false })
    formats.default(ajv)
    ajv.addFormat('iri-reference', true).addFormat('idn-email', true)
    for (const name of ['spdx', 'jsf-0.82', 'cryptography-defs']) {
      ajv.addSchema(schemaOfLibrary(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`)
    }
    return ajv.compile(cycloneDxSchema())
  }
  const ajv = new Ajv2020({ strict: false })
  formats.default(ajv)
  for (const version of ['2.0', '3.0', '3.1']) {
    ajv.addSchema({}, `https://www.first.org/cvss/cvss-v${version}.json`)
  }
  const name = format === 'csaf' ? 'csaf-2.0.schema.json' : 'openvex-0.2.0.schema.json'
  return ajv.compile(JSON.parse(read(name)) as AnySchema)
}

function cycloneDxSchema(): AnySchema {
  return schemaOfLibrary('bom-1.6')
}

/** The library carries the official schemas beside its code. */
function schemaOfLibrary(name: string): AnySchema {
  const library = '@cyclonedx/cyclonedx-library'
  const entry = createRequire(import.meta.url).resolve(library)
  const root = entry.slice(0, entry.indexOf(library) + library.length)
  return JSON.parse(
    readFileSync(join(root, 'res/schema', `${name}.SNAPSHOT.schema.json`), 'utf8'),
  ) as AnySchema
}
