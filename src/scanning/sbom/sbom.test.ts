import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { suite, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { Ajv } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { default as formats } from 'ajv-formats'
import fc from 'fast-check'
import { ScanningFailure } from '../failures.ts'
import type { InstalledPackage, Inventory } from '../types.ts'
import { compareSboms } from './compare-sboms.ts'
import { sbomFormats } from './formats.ts'
import { makeSbom } from './make-sbom.ts'
import { readSbom } from './read-sbom.ts'
import { toInventory } from './to-inventory.ts'

const testdata = join(import.meta.dirname, 'testdata')
const digest = `sha256:${'ab'.repeat(32)}`
const subject = { name: 'registry.example/shop/web:1.2', digest }

const libssl: InstalledPackage = {
  type: 'deb',
  name: 'libssl3',
  version: '3.0.11-1~deb12u2',
  sourceName: 'openssl',
  architecture: 'amd64',
  purl: 'pkg:deb/debian/libssl3@3.0.11-1~deb12u2?arch=amd64&distro=debian-12',
  path: 'var/lib/dpkg/status',
  layer: 0,
}
const runtime: InstalledPackage = {
  type: 'npm',
  name: '@babel/runtime',
  version: '7.24.0',
  purl: 'pkg:npm/%40babel/runtime@7.24.0',
  path: 'app/node_modules/@babel/runtime/package.json',
  layer: 1,
}
const inventory: Inventory = {
  operatingSystem: { id: 'debian', versionId: '12', prettyName: 'Debian GNU/Linux 12 (bookworm)' },
  layers: [
    { digest: `sha256:${'1'.repeat(64)}`, diffId: `sha256:${'2'.repeat(64)}`, instruction: 'ADD rootfs' },
    { digest: `sha256:${'3'.repeat(64)}`, diffId: `sha256:${'4'.repeat(64)}` },
  ],
  packages: [libssl, runtime],
  unknowns: [],
}
const hostile = '</script>\u001b[31m\u202e"&\n\u0000 é'

interface Validator {
  (value: unknown): boolean
  readonly errors?: unknown
}

/** The official schema of each format. */
function schemaOf(format: string): Validator {
  if (format === 'cyclonedx') {
    const library = dirname(
      createRequire(import.meta.url).resolve('@cyclonedx/cyclonedx-library/package.json'),
    )
    const load = (name: string): object =>
      JSON.parse(readFileSync(join(library, 'res/schema', name), 'utf8')) as object
    const ajv = new Ajv({ strict: false, validateFormats: false })
    for (const name of ['spdx.SNAPSHOT.schema.json', 'jsf-0.82.SNAPSHOT.schema.json']) {
      ajv.addSchema(load(name), `http://cyclonedx.org/schema/${name}`)
    }
    return ajv.compile(load('bom-1.6.SNAPSHOT.schema.json'))
  }
  const file = format === 'spdx' ? 'spdx-2.3.schema.json.gz' : 'spdx-3.0.1.schema.json.gz'
  const ajv = format === 'spdx' ? new Ajv({ strict: false }) : new Ajv2020({ strict: false })
  formats.default(ajv)
  return ajv.compile(JSON.parse(gunzipSync(readFileSync(join(testdata, file))).toString()) as object)
}

suite('writing SBOMs', () => {
  for (const format of sbomFormats) {
    const validate = schemaOf(format.name)
    const write = async (holds: Inventory): Promise<unknown> =>
      JSON.parse((await format.write(subject, holds)).toString())

    test(`${format.name} of an image fits the official schema`, async () => {
      assert.ok(validate(await write(inventory)), JSON.stringify(validate.errors))
    })

    test(`${format.name} of an image without packages, system or digest fits the official schema`, async () => {
      const empty = await format.write({ name: 'root/' }, { layers: [], packages: [], unknowns: [] })
      assert.ok(validate(JSON.parse(empty.toString())), JSON.stringify(validate.errors))
    })

    test(`${format.name} with hostile names fits the official schema`, async () => {
      const packages = [{ ...libssl, name: hostile, version: hostile, path: hostile, sourceName: hostile }]
      assert.ok(validate(await write({ ...inventory, packages })), JSON.stringify(validate.errors))
    })

    test(`${format.name} of one image always has the same bytes`, async () => {
      assert.deepEqual(await format.write(subject, inventory), await format.write(subject, inventory))
    })

    test(`${format.name} that we wrote is read back with its places, layers and source packages`, async () => {
      const read = toInventory(readSbom(await format.write(subject, inventory)))
      const kept = inventory.layers.map(({ digest, diffId }) => ({ digest, diffId }))
      assert.deepEqual(read, { ...inventory, layers: kept })
    })
  }

  test('the schemas refuse what is wrong', async () => {
    for (const format of sbomFormats) {
      const document = JSON.parse((await format.write(subject, inventory)).toString()) as Record<
        string,
        unknown
      >
      assert.equal(schemaOf(format.name)({ ...document, somethingElse: 1 }), false, format.name)
    }
  })

  test('the schema of SPDX 3 looks into every element of the graph', async () => {
    const bytes = await sbomFormats[2]?.write(subject, inventory)
    const document = JSON.parse(String(bytes)) as { '@graph': Record<string, unknown>[] }
    const validate = schemaOf('spdx-3')
    for (const element of document['@graph']) {
      const broken = document['@graph'].map((one) => (one === element ? { ...one, nonsense: 1 } : one))
      assert.equal(validate({ ...document, '@graph': broken }), false, String(element['type']))
    }
  })

  test('SPDX says that the document describes the image and the image contains each package', async () => {
    const bytes = await sbomFormats[1]?.write(subject, inventory)
    const document = JSON.parse(String(bytes)) as { relationships: Record<string, string>[] }
    assert.deepEqual(
      document.relationships.map((one) => Object.values(one).join(' ')),
      [
        'SPDXRef-DOCUMENT DESCRIBES SPDXRef-Image',
        'SPDXRef-Image CONTAINS SPDXRef-OperatingSystem',
        'SPDXRef-Image CONTAINS SPDXRef-Package-1',
        'SPDXRef-Image CONTAINS SPDXRef-Package-2',
      ],
    )
  })

  test('the SBOM of a stored image is CycloneDX 1.6 that names its digest', async () => {
    const bom = JSON.parse((await makeSbom(digest, inventory)).toString()) as Record<string, unknown>
    assert.equal(bom['specVersion'], '1.6')
    assert.match(JSON.stringify(bom['metadata']), new RegExp(digest))
  })
})

suite('reading SBOMs of others', () => {
  for (const [file, format, specVersion] of [
    ['trivy.cdx.json', 'cyclonedx', '1.5'],
    ['trivy.spdx.json', 'spdx', '2.3'],
    ['trivy.spdx', 'spdx', '2.3'],
  ] as const) {
    test(`${file} is read with source packages, epochs and the operating system`, () => {
      const sbom = readSbom(readFileSync(join(testdata, file)))
      assert.deepEqual([sbom.format, sbom.specVersion, sbom.name], [format, specVersion, 'oci'])
      assert.equal(sbom.operatingSystem?.id, 'debian')
      assert.equal(sbom.operatingSystem?.versionId, '12.11')
      assert.deepEqual(sbom.notes, [])
      const told = sbom.packages
        .map(({ name, version, sourceName }) => [name, version, sourceName])
        .toSorted((left, right) => (String(left) < String(right) ? -1 : 1))
      assert.deepEqual(told, [
        ['@babel/runtime', '7.24.0', undefined],
        ['base-files', '12.4+deb12u11', undefined],
        ['bsdutils', '1:2.38.1-5+deb12u3', 'util-linux'],
        ['libc6', '2.36-9+deb12u14', 'glibc'],
        ['libpam-runtime', '1.5.2-6+deb12u1', 'pam'],
        ['libssl3', '3.0.19-1~deb12u2', 'openssl'],
        ['minimist', '1.2.5', undefined],
        ['perl-base', '5.36.0-7+deb12u2', 'perl'],
      ])
      assert.equal(toInventory(sbom).layers.length, 1)
    })
  }

  test("syft's properties and qualifiers tell of sources, places and layers", () => {
    const sbom = readSbom(
      json({
        bomFormat: 'CycloneDX',
        specVersion: '1.6',
        components: [
          {
            type: 'library',
            name: 'bsdutils',
            version: '1:2.38.1-5',
            purl: 'pkg:deb/debian/bsdutils@1%3A2.38.1-5?arch=amd64&distro=debian-12&upstream=util-linux%402.38.1-5',
            properties: [
              { name: 'syft:location:0:path', value: '/var/lib/dpkg/status' },
              { name: 'syft:location:0:layerID', value: 'sha256:77' },
            ],
          },
          { type: 'file', name: '/etc/passwd' },
        ],
      }),
    )
    assert.deepEqual(sbom.packages, [
      {
        type: 'deb',
        name: 'bsdutils',
        version: '1:2.38.1-5',
        sourceName: 'util-linux',
        sourceVersion: '2.38.1-5',
        architecture: 'amd64',
        purl: 'pkg:deb/debian/bsdutils@1%3A2.38.1-5?arch=amd64&distro=debian-12&upstream=util-linux%402.38.1-5',
        path: 'var/lib/dpkg/status',
        diffId: 'sha256:77',
      },
    ])
    assert.deepEqual(sbom.operatingSystem, { id: 'debian', versionId: '12', prettyName: '' })
  })

  test("syft's SPDX 3 with packages named by purl is read", () => {
    const package2 = {
      name: 'package-2',
      software_packageUrl: 'pkg:deb/debian/package-2@2.0.1?distro=debian-12',
      software_sourceInfo: 'acquired package info from DPKG DB: /somefile-2.txt',
      type: 'software_Package',
    }
    const sbom = readSbom(
      json({
        '@context': 'https://spdx.org/rdf/3.0.1/spdx-context.jsonld',
        '@graph': [
          { type: 'CreationInfo', specVersion: '3.0.1' },
          { type: 'SpdxDocument', name: 'x' },
          package2,
        ],
      }),
    )
    assert.equal(sbom.packages[0]?.path, 'somefile-2.txt')
    assert.equal(sbom.name, 'x')
  })

  test('components inside components are read, and those without a purl are told of', () => {
    const inner = { type: 'library', name: 'x', purl: 'pkg:cargo/x@1.0.0' }
    const outer = {
      type: 'library',
      name: 'y',
      components: [inner, { type: 'library', purl: 'pkg:swift/z@1' }],
    }
    const sbom = readSbom(json({ bomFormat: 'CycloneDX', specVersion: '1.4', components: [outer] }))
    assert.deepEqual(
      sbom.packages.map(({ name }) => name),
      ['x'],
    )
    assert.equal(sbom.notes.length, 2)
    assert.equal(toInventory(sbom).unknowns.length, 2)
  })

  for (const [purl, name, version] of [
    ['pkg:maven/org.apache/log4j@2.14.1', 'org.apache:log4j', '2.14.1'],
    ['pkg:golang/github.com/x/y@v1.2.3', 'github.com/x/y', 'v1.2.3'],
    ['pkg:pypi/Flask_Cors@3.0', 'flask-cors', '3.0'],
    ['pkg:rpm/redhat/bash@5.1-4?epoch=2&upstream=bash-5.1-4.src.rpm', 'bash', '2:5.1-4'],
  ] as const) {
    test(`${purl} is the package ${name} ${version}`, () => {
      const bom = { bomFormat: 'CycloneDX', specVersion: '1.6', components: [{ type: 'library', purl }] }
      const [found] = readSbom(json(bom)).packages
      assert.deepEqual([found?.name, found?.version, found?.sourceName], [name, version, undefined])
    })
  }

  const refused: readonly (readonly [string, string, RegExp])[] = [
    ['XML', '<?xml version="1.0"?><bom/>', /XML/],
    ['a list', '[]', /neither/],
    ['an empty file', '', /not JSON/],
    ['CycloneDX of the future', '{"bomFormat":"CycloneDX","specVersion":"9.0"}', /9\.0/],
    ['SPDX 2.1', '{"spdxVersion":"SPDX-2.1"}', /SPDX-2\.1/],
    ['a key that stands twice', '{"bomFormat":"CycloneDX","bomFormat":"x"}', /twice/],
    ['deep nesting', `{"bomFormat":${'['.repeat(5000)}`, /deeper/],
  ]
  for (const [what, text, why] of refused) {
    test(`refuses ${what} and says so`, () => {
      assert.throws(() => readSbom(Buffer.from(text)), { code: 'SBOM_INVALID', message: why })
    })
  }

  test('refuses more than 200,000 components', () => {
    const components = Array.from({ length: 200_001 }, () => ({}))
    const bom = json({ bomFormat: 'CycloneDX', specVersion: '1.6', components })
    assert.throws(() => readSbom(bom), { code: 'SBOM_INVALID' })
  })

  test('throws nothing but SBOM_INVALID whatever bytes come', () => {
    const samples = ['trivy.cdx.json', 'trivy.spdx.json', 'trivy.spdx'].map((file) =>
      readFileSync(join(testdata, file)),
    )
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.array(fc.tuple(fc.nat(13_000), fc.nat(255)), { maxLength: 4 }),
        fc.nat(13_000),
        (sample, changes, end) => {
          const bytes = Buffer.from(sample.subarray(0, end % 3 === 0 ? end : sample.length))
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
          readOrRefuse(bytes)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('throws nothing but SBOM_INVALID whatever values stand in the fields', () => {
    const keys = ['type', 'name', 'purl', 'components', 'properties', 'packages', 'externalRefs', '@graph']
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.string(),
        fc.integer(),
        fc.constant(null),
        tie('list'),
        tie('object'),
      ),
      list: fc.array(tie('any'), { maxLength: 4 }),
      object: fc.dictionary(fc.constantFrom(...keys, '__proto__'), tie('any'), { maxKeys: 4 }),
    })).object
    fc.assert(
      fc.property(value, fc.constantFrom<object>(...heads), (body, head) => {
        readOrRefuse(json({ ...(body as object), ...head }))
      }),
      { numRuns: 300 },
    )
  })
})

const heads = [
  { bomFormat: 'CycloneDX', specVersion: '1.6' },
  { spdxVersion: 'SPDX-2.3' },
  { '@context': 'https://spdx.org/rdf/3.0.1/spdx-context.jsonld' },
]

suite('comparing SBOMs', () => {
  test('tells what came, what went and what changed its version', () => {
    const left = list('npm a 1.0.0', 'npm b 1.0.0', 'deb c 1-1')
    const right = list('npm a 1.0.0', 'npm b 1.2.0', 'npm d 2.0.0')
    assert.deepEqual(compareSboms(left, right), {
      added: [{ type: 'npm', name: 'd', version: '2.0.0' }],
      removed: [{ type: 'deb', name: 'c', version: '1-1' }],
      changed: [{ type: 'npm', name: 'b', before: '1.0.0', after: '1.2.0' }],
    })
  })

  test('pairs several versions of one package in their order', () => {
    const { changed, added } = compareSboms(
      list('npm a 1.9.0', 'npm a 1.10.0'),
      list('npm a 1.11.0', 'npm a 1.9.1', 'npm a 2.0.0'),
    )
    assert.deepEqual(
      changed.map(({ before, after }) => `${before} ${after}`),
      ['1.9.0 1.9.1', '1.10.0 1.11.0'],
    )
    assert.equal(added.length, 1)
  })

  test('an SBOM compared with itself has no difference', () => {
    const sbom = readSbom(readFileSync(join(testdata, 'trivy.cdx.json')))
    assert.deepEqual(compareSboms(sbom, sbom), { added: [], removed: [], changed: [] })
  })
})

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function readOrRefuse(bytes: Uint8Array): void {
  try {
    toInventory(readSbom(bytes))
  } catch (error) {
    assert.ok(error instanceof ScanningFailure, String(error))
    assert.equal(error.code, 'SBOM_INVALID')
  }
}

function list(...lines: readonly string[]): {
  packages: { type: 'npm' | 'deb'; name: string; version: string }[]
} {
  return {
    packages: lines.map((line) => {
      const [type, name, version] = line.split(' ') as ['npm' | 'deb', string, string]
      return { type, name, version }
    }),
  }
}
