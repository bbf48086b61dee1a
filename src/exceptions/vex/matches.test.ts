import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { matchesPurl, parsePurl } from './match-purl.ts'
import { latestOf, matches, type ImageFacts } from './matches.ts'
import type { VexProduct } from './types.ts'

const purls: readonly [pattern: string, purl: string, matches: boolean][] = [
  ['pkg:npm/minimist', 'pkg:npm/minimist@0.2.3', true],
  ['pkg:npm/minimist@0.2.3', 'pkg:npm/minimist@0.2.3', true],
  ['pkg:npm/minimist@0.2.4', 'pkg:npm/minimist@0.2.3', false],
  ['pkg:npm/minimist@0.2.3', 'pkg:npm/minimist', false],
  ['pkg:npm/minimis', 'pkg:npm/minimist@0.2.3', false],
  ['pkg:npm/%40s/minimist', 'pkg:npm/minimist@0.2.3', false],
  ['pkg:pypi/minimist', 'pkg:npm/minimist@0.2.3', false],
  ['pkg:pypi/Foo_Bar', 'pkg:pypi/foo-bar@1', true],
  ['pkg:golang/golang.org/x/net@v0.1.0', 'pkg:golang/golang.org/x/net@0.1.0', true],
  ['pkg:deb/debian/openssl', 'pkg:deb/debian/openssl@3?arch=amd64&distro=debian-12', true],
  ['pkg:deb/debian/openssl?arch=amd64', 'pkg:deb/debian/openssl@3?arch=amd64&distro=debian-12', true],
  ['pkg:deb/debian/openssl?arch=arm64', 'pkg:deb/debian/openssl@3?arch=amd64&distro=debian-12', false],
  ['pkg:deb/debian/openssl?distro=debian-12', 'pkg:deb/debian/openssl@3', false],
  ['pkg:deb/ubuntu/openssl', 'pkg:deb/debian/openssl@3', false],
  ['openssl', 'pkg:deb/debian/openssl@3', false],
  ['pkg:', 'pkg:deb/debian/openssl@3', false],
]
for (const [pattern, purl, isMatch] of purls) {
  test(`${pattern} ${isMatch ? 'means' : 'does not mean'} ${purl}`, () => {
    assert.equal(matchesPurl(pattern, purl), isMatch)
  })
}

test('whatever is taken for a package URL, reading it ends with an answer', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.string().map((end) => `pkg:${end}`),
      ),
      (text) => {
        parsePurl(text)
      },
    ),
    { numRuns: 500 },
  )
  assert.equal(parsePurl(`pkg:npm/${'a'.repeat(5_000)}`), undefined)
})

const digest = `sha256:${'1'.repeat(64)}`
const other = `sha256:${'2'.repeat(64)}`
const index = `sha256:${'3'.repeat(64)}`
const image: ImageFacts = {
  digest,
  repository: 'dev/shop',
  parents: [index],
  packages: [
    { purl: 'pkg:golang/example.org/shop@v1.0.0', path: 'usr/bin/shop' },
    { purl: 'pkg:golang/golang.org/x/net@v0.1.0', path: 'usr/bin/shop' },
    { purl: 'pkg:npm/shop@1.0.0', path: 'app/package.json' },
  ],
}
const npm = {
  id: 'CVE-2026-1',
  aliases: ['GHSA-aaaa-bbbb-cccc'],
  purl: 'pkg:npm/minimist@0.2.3',
  path: 'app/package.json',
  packageType: 'npm' as const,
}
const go = {
  ...npm,
  purl: 'pkg:golang/golang.org/x/net@v0.1.0',
  path: 'usr/bin/shop',
  packageType: 'golang' as const,
}
const oci = (hex: string): string => `pkg:oci/shop@sha256%3A${hex.repeat(64)}`
const of = (id: string, ...subcomponents: string[]): VexProduct => ({ id, subcomponents })

const products: readonly [
  name: string,
  product: VexProduct,
  finding: typeof npm | typeof go,
  matches: boolean,
][] = [
  ['the package itself', of('pkg:npm/minimist'), npm, true],
  ['another package', of('pkg:npm/lodash'), npm, false],
  ['the image', of(oci('1')), npm, true],
  ['the image, by digest alone', of(digest), npm, true],
  ['the index that lists the image', of(oci('3')), npm, true],
  ['another image', of(oci('2')), npm, false],
  ['another image, by digest alone', of(other), npm, false],
  ['the package in the image', of(oci('1'), 'pkg:npm/minimist'), npm, true],
  ['another package in the image', of(oci('1'), 'pkg:npm/lodash'), npm, false],
  ['the package in another image', of(oci('2'), 'pkg:npm/minimist'), npm, false],
  ['an image of that name, whosever it is', of('pkg:oci/shop'), npm, false],
  ['every image of this repository', of('pkg:oci/shop?repository_url=registry.example/dev/shop'), npm, true],
  [
    'every image of a repository that ends alike',
    of('pkg:oci/shop?repository_url=registry.example/other/dev/shop'),
    npm,
    false,
  ],
  ['a Go program that the package is built into', of('pkg:golang/example.org/shop'), go, true],
  [
    'the package as a part of the Go program',
    of('pkg:golang/example.org/shop', 'pkg:golang/golang.org/x/net'),
    go,
    true,
  ],
  [
    'another part of the Go program',
    of('pkg:golang/example.org/shop', 'pkg:golang/golang.org/x/crypto'),
    go,
    false,
  ],
  [
    'the package as a part of a program that is not here',
    of('pkg:golang/example.org/cart', 'pkg:golang/golang.org/x/net'),
    go,
    false,
  ],
  ['a package as a part of an npm package', of('pkg:npm/shop', 'pkg:npm/minimist'), npm, false],
  ['a product that nobody can read', of('cpe:2.3:a:x:y'), npm, false],
]
for (const [name, product, finding, isMatch] of products) {
  test(`a statement about ${name} ${isMatch ? 'speaks' : 'does not speak'} of the finding`, () => {
    const statement = { vulnerability: 'CVE-2026-1', aliases: [], products: [product] }
    assert.equal(matches(statement, finding, image), isMatch)
  })
}

test('a vulnerability is the same under each of its names, in whatever case', () => {
  const about = (vulnerability: string, ...aliases: string[]): boolean =>
    matches({ vulnerability, aliases, products: [of('pkg:npm/minimist')] }, npm, image)
  assert.ok(about('CVE-2026-1'))
  assert.ok(about('ghsa-AAAA-bbbb-cccc'))
  assert.ok(about('GO-2026-7', 'CVE-2026-1'))
  assert.ok(!about('CVE-2026-10'))
  assert.ok(!about('CVE-2026-2', 'GHSA-xxxx-bbbb-cccc'))
})

test('the latest statement holds, and of two of one moment the one that hushes up less', () => {
  const at = (status: 'affected' | 'not_affected' | 'fixed', timestamp: number) => ({ status, timestamp })
  assert.equal(latestOf([at('affected', 1), at('not_affected', 2)])?.status, 'not_affected')
  assert.equal(latestOf([at('not_affected', 2), at('affected', 2), at('fixed', 2)])?.status, 'affected')
  assert.equal(latestOf([]), undefined)
})
