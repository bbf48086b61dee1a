import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { makeElf, makeFatMachO, makeMachO, makePe } from '../../../../test/fixtures/make-executables.ts'
import { contentOf } from '../../layers/file-content.ts'
import type { FileFacts } from '../types.ts'
import { go } from './go.ts'
import { listModules } from './list-modules.ts'
import { readGoVersion } from './read-go-version.ts'

function read(bytes: Buffer): FileFacts {
  return go.read('usr/bin/program', contentOf(bytes)) as FileFacts
}

function found({ packages = [] }: FileFacts): string[] {
  return packages.map(({ type, name, version }) => `${type} ${name} ${version}`)
}

/** A block of build information in the form since Go 1.18. */
function makeBlock(version: string, modules: string): Buffer {
  const counted = (bytes: Buffer): Buffer => {
    const length = []
    for (let rest = bytes.length; ; rest >>= 7) {
      length.push(rest < 0x80 ? rest : (rest & 0x7f) | 0x80)
      if (rest < 0x80) return Buffer.concat([Buffer.from(length), bytes])
    }
  }
  const framed = modules === '' ? '' : `${'<'.repeat(16)}${modules}${'>'.repeat(16)}`
  const header = Buffer.concat([Buffer.from('\xff Go buildinf:\x08\x02', 'latin1')], 32)
  return Buffer.concat([header, counted(Buffer.from(version)), counted(Buffer.from(framed))])
}

const modules = 'path\texample.com/a\nmod\texample.com/a\t(devel)\t\ndep\texample.com/b\tv1.2.3\th1:x=\n'
const inSection = (block: Buffer): Buffer =>
  makeElf([{ name: '.go.buildinfo', address: 0x401000, bytes: block, isData: true }])

const unix = 'golang golang.org/x/sys '
const fixtures: Readonly<Record<string, readonly string[]>> = {
  'inline.elf': ['golang stdlib 1.19.4', `${unix}v0.0.0-20220715151400-c0bba94af5f8`],
  'inline.mach-o': ['golang stdlib 1.19.4', `${unix}v0.0.0-20220715151400-c0bba94af5f8`],
  'inline.pe': ['golang stdlib 1.19.4'],
  'pointers.elf': ['golang stdlib 1.15.0', `${unix}v0.0.0-20200501145240-bc7a7d42d5c3`],
  'pointers-32.elf': ['golang stdlib 1.15.5', `${unix}v0.0.0-20200501145240-bc7a7d42d5c3`],
  'pointers-big-endian.elf': ['golang stdlib 1.17.5', `${unix}v0.0.0-20210908233432-aa78b53d3365`],
  'pointers.mach-o': ['golang stdlib 1.15.5', `${unix}v0.0.0-20200501145240-bc7a7d42d5c3`],
  'pointers-32.pe': ['golang stdlib 1.15.5'],
}

for (const [name, expected] of Object.entries(fixtures)) {
  describe(`the real program ${name}`, () => {
    const bytes = gunzipSync(readFileSync(join(import.meta.dirname, 'testdata', `${name}.gz`)))

    test('has the standard library and the modules that Go built in', () => {
      assert.ok(go.wants('app', bytes.subarray(0, 64)))
      assert.deepEqual(read(bytes), { packages: read(bytes).packages })
      assert.deepEqual(found(read(bytes)), expected)
    })

    test('never throws where it is damaged', () => {
      const places = interestingPlaces(bytes)
      const flip = fc.tuple(fc.constantFrom(...places), fc.nat(255))
      fc.assert(
        fc.property(fc.array(flip, { minLength: 1, maxLength: 4 }), (flips) => {
          const before = flips.map(([at]) => bytes[at] as number)
          for (const [at, value] of flips) bytes[at] = value
          const facts = read(bytes)
          for (const [index, [at]] of [...flips.entries()].toReversed()) bytes[at] = before[index] as number
          assert.ok(found(facts).every((text) => text.split(' ').length === 3))
        }),
        { numRuns: 60 },
      )
      assert.deepEqual(found(read(bytes)), expected)
    })

    test('never throws where it is cut off', () => {
      for (let length = 64; length < bytes.length; length += Math.ceil(bytes.length / 40)) {
        read(bytes.subarray(0, length))
      }
    })
  })
}

/** Most of a fixture is blank. */
function interestingPlaces(bytes: Buffer): number[] {
  const places: number[] = []
  for (let at = 0; at < bytes.length; at += 4096) {
    for (let next = at; next < at + 4096 && places.length < 20_000; next++) if (bytes[next]) places.push(next)
  }
  return places
}

test('data that is said to lie on top of itself is not searched over and over', () => {
  const bytes = Buffer.alloc(8 * 1024 * 1024)
  const parts = Array.from({ length: 500 }, () => ({
    name: '',
    address: 0x401000,
    bytes: Buffer.alloc(0),
    isData: true,
  }))
  makeElf(parts, { isBare: true }).copy(bytes)
  for (let index = 0; index < parts.length; index++) bytes.writeUInt32LE(bytes.length, 64 + index * 56 + 32)
  const reads: number[] = []
  const content = contentOf(bytes)
  const read_ = (at: number, length: number): Buffer => {
    reads.push(length)
    return content.read(at, length)
  }
  assert.deepEqual(go.read('app', { ...content, read: read_ }), {})
  assert.ok(reads.length < 200, `${reads.length} reads`)
})

describe('a program whose sections are all gone', () => {
  const bytes = makeElf(
    [
      {
        name: '',
        address: 0x401000,
        bytes: Buffer.concat([Buffer.alloc(48), makeBlock('go1.22.3', modules)]),
        isData: true,
      },
    ],
    { isBare: true },
  )

  test('is found by its data', () => {
    assert.deepEqual(found(read(bytes)), ['golang stdlib 1.22.3', 'golang example.com/b v1.2.3'])
  })

  test('is not one where the same bytes are no data, or stand askew', () => {
    const block = makeBlock('go1.22.3', modules)
    const asText = [{ name: '', address: 0x401000, bytes: block }]
    assert.deepEqual(read(makeElf(asText, { isBare: true })), {})
    const askew = [
      { name: '', address: 0x401000, bytes: Buffer.concat([Buffer.alloc(40), block]), isData: true },
    ]
    assert.deepEqual(read(makeElf(askew, { isBare: true })), {})
  })
})

test('a program in another language is no Go program, though it speaks of Go', () => {
  const block = makeBlock('go1.22.3', modules)
  assert.deepEqual(read(makeElf([{ name: '.data', address: 0x401000, bytes: block, isData: true }])), {})
})

test('each architecture of a program counts, and what they share once', () => {
  const slice = (version: string): Buffer =>
    makeMachO([
      { name: '__go_buildinfo', address: 0x401000, bytes: makeBlock(version, modules), isData: true },
    ])
  const facts = read(makeFatMachO([slice('go1.22.3'), slice('go1.21.0')]))
  assert.deepEqual(found(facts), [
    'golang stdlib 1.22.3',
    'golang example.com/b v1.2.3',
    'golang stdlib 1.21.0',
  ])
})

test('a program without build information is reported, by what only Go’s linker makes', () => {
  const unknown = { unknown: 'a Go program without build information' }
  for (const name of ['.note.go.buildid', '.gopclntab', '__gopclntab']) {
    assert.deepEqual(read(makeElf([{ name, address: 0x401000, bytes: Buffer.from('x') }])), unknown, name)
  }
  const code = Buffer.concat([Buffer.from('\xff Go build ID: "abc"\n \xff', 'latin1')], 100)
  assert.deepEqual(read(makePe([{ name: '.text', address: 0x401000, bytes: code }])), unknown)
})

test('a program that was not built from modules has the standard library, and the rest of it is unknown', () => {
  for (const text of ['', 'path\tgithub.com/docker/cli/cmd/docker\nbuild\t-compiler=gc\n']) {
    const facts = read(inSection(makeBlock('go1.24.3', text)))
    assert.deepEqual(found(facts), ['golang stdlib 1.24.3'])
    assert.match(facts.unknown ?? '', /does not tell its modules/)
  }
})

test('a command of Go’s own, or a file alone, has nothing but the standard library', () => {
  for (const path of ['cmd/gofmt', 'command-line-arguments']) {
    const facts = read(inSection(makeBlock('go1.24.3', `path\t${path}\nbuild\t-compiler=gc\n`)))
    assert.deepEqual(facts, { packages: [{ type: 'golang', name: 'stdlib', version: '1.24.3' }] })
  }
})

test('what is wrong with build information is said', () => {
  const whole = makeBlock('go1.22.3', modules)
  assert.match(read(inSection(whole.subarray(0, 60))).unknown ?? '', /cut off/)
  const pointing = Buffer.from(whole)
  pointing[15] = 0
  assert.match(read(inSection(pointing)).unknown ?? '', /points to what is not in the file/)
  pointing[14] = 3
  assert.match(read(inSection(pointing)).unknown ?? '', /addresses of 3 bytes/)
  assert.match(read(inSection(makeBlock('tip', modules))).unknown ?? '', /Go version "tip" is not understood/)
})

test('versions of Go are written as the advisories of its standard library write them', () => {
  const cases: Readonly<Record<string, string | undefined>> = {
    'go1.22': '1.22.0',
    'go1.22.3': '1.22.3',
    'go1.22rc1': '1.22.0-rc.1',
    'go1.20beta2': '1.20.0-beta.2',
    'go1.20.1 X:boringcrypto': '1.20.1',
    'go1.24.1-fips': '1.24.1',
    'devel go1.23-0123abc Mon Jan 1': '1.23.0-devel',
    'devel +0123abc': undefined,
    '1.22': undefined,
  }
  for (const [text, version] of Object.entries(cases)) assert.equal(readGoVersion(text), version, text)
})

describe('modules', () => {
  const list = (text: string): string[] => listModules(text).map(({ name, version }) => `${name}@${version}`)

  test('that are replaced count as what replaces them', () => {
    assert.deepEqual(
      list(
        'mod\ta.b/main\tv1.0.0\t\ndep\ta.b/c\tv1.0.0\n=>\tfork.b/c\tv1.0.1\th1:\ndep\ta.b/d\tv1.0.0\n=>\t./local\t\n',
      ),
      ['a.b/main@v1.0.0', 'fork.b/c@v1.0.1'],
    )
  })

  const main = (version: string, flags = ''): string[] =>
    list(`mod\ta.b/main\t${version}\t\nbuild\t-ldflags=${flags}\n`)

  test('that are the main one have the version that the linker was told', () => {
    assert.deepEqual(main('(devel)', '"-s -w -X main.version=v1.2.3 -X main.commit=abc"'), [
      'a.b/main@v1.2.3',
    ])
    assert.deepEqual(main('(devel)', `-X 'a.b/main/internal.Version=1.2.3-rc.1+build'`), [
      'a.b/main@v1.2.3-rc.1',
    ])
    assert.deepEqual(main('v0.0.0-20240101000000-0123456789ab', '-X=main.version=1.2.3'), ['a.b/main@v1.2.3'])
    assert.deepEqual(main('(devel)', '"-X \\"main.version=1.2.3\\" -s"'), ['a.b/main@v1.2.3'])
    assert.deepEqual(
      main('(devel)', '-X main.version=1.2.3 -X a.b/dep.apiVersion=9.0.0'),
      ['a.b/main@v1.2.3'],
      'main.version is about the program itself',
    )
  })

  test('that are the main one are left out where no version of it is certain', () => {
    assert.deepEqual(main('(devel)'), [])
    assert.deepEqual(main('v0.0.0-20240101000000-0123456789ab+dirty'), [])
    assert.deepEqual(main('(devel)', '-X main.version=nightly'), [])
    assert.deepEqual(main('(devel)', '-X a.version=1.0.0 -X b.version=2.0.0'), [])
  })

  test('that are the main one keep the version that Go gave them', () => {
    assert.deepEqual(main('v1.4.0+incompatible', '-X main.version=2.0.0'), ['a.b/main@v1.4.0+incompatible'])
  })

  test('are found in any text without a throw, in a time that grows with it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('mod', 'dep', '=>', 'build', '\t', '\n', 'v1', '-ldflags=', ' -X ', '=')),
        (words) => {
          assert.ok(listModules(words.join('')).every(({ name, version }) => name !== '' && version !== ''))
        },
      ),
      { numRuns: 300 },
    )
    const flags = `build\t-ldflags=${'-X '.repeat(1_000_000)}\nmod\ta.b/c\t(devel)\n`
    const started = performance.now()
    listModules(flags)
    assert.ok(performance.now() - started < 2_000)
  })
})
