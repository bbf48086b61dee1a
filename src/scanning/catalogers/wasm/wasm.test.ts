import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { contentOf } from '../../layers/file-content.ts'
import type { FileFacts } from '../types.ts'
import { wasm } from './wasm.ts'

function read(bytes: Buffer): FileFacts {
  return wasm.read('srv/app.wasm', contentOf(bytes)) as FileFacts
}

function found({ packages = [] }: FileFacts): string[] {
  return packages.map(({ type, name, version, inside }) => [type, name, version, inside ?? '-'].join(' '))
}

function number(value: number): Buffer {
  const bytes = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    bytes.push(rest < 128 ? rest : (rest % 128) + 128)
    if (rest < 128) return Buffer.from(bytes)
  }
}

const counted = (bytes: Buffer): Buffer => Buffer.concat([number(bytes.length), bytes])
const text = (value: string): Buffer => counted(Buffer.from(value))
const section = (id: number, ...content: Buffer[]): Buffer =>
  Buffer.concat([Buffer.from([id]), counted(Buffer.concat(content))])
const custom = (name: string, ...content: Buffer[]): Buffer => section(0, text(name), ...content)
const module = (...sections: Buffer[]): Buffer => Buffer.concat([Buffer.from('\0asm\x01\0\0\0'), ...sections])
const component = (...sections: Buffer[]): Buffer =>
  Buffer.concat([Buffer.from('\0asm\x0d\0\x01\0'), ...sections])
const named = (section_: string, name: string): Buffer =>
  custom(section_, Buffer.from([0]), counted(text(name)))

function producers(fields: Readonly<Record<string, Readonly<Record<string, string>>>>): Buffer {
  const all = Object.entries(fields).map(([field, values]) =>
    Buffer.concat([
      text(field),
      number(Object.keys(values).length),
      ...Object.entries(values).flatMap(([name, version]) => [text(name), text(version)]),
    ]),
  )
  return custom('producers', number(all.length), ...all)
}

const rustc = producers({
  language: { Rust: '2021' },
  'processed-by': { rustc: '1.75.0 (82e1608df 2023-12-21)' },
})
const code = section(10, Buffer.alloc(300))

describe('a real module', () => {
  const real = readFileSync(join(import.meta.dirname, 'testdata/mappings.wasm'))

  test('tells the tools that made it', () => {
    assert.ok(wasm.wants('lib/mappings.wasm', real.subarray(0, 64)))
    assert.deepEqual(read(real).unknown, undefined)
    assert.deepEqual(found(read(real)), [
      'generic rustc 1.66.0-nightly producers',
      'generic walrus 0.12.0 producers',
      'generic wasm-snip 0.4.0 producers',
    ])
  })

  test('never throws where it is cut off or damaged', () => {
    const flip = fc.tuple(fc.nat(real.length - 1), fc.nat(255))
    fc.assert(
      fc.property(fc.array(flip, { maxLength: 8 }), fc.nat(real.length), (flips, length) => {
        const copy = Buffer.from(real)
        for (const [at, value] of flips) copy[at] = value
        read(copy.subarray(0, length))
        // The section that is read lies at the end, and is damaged oftener so.
        for (const [at, value] of flips) copy[real.length - 1 - (at % 200)] = value
        read(copy)
      }),
      { numRuns: 200 },
    )
  })
})

test('a module tells the tools that made it, but not its language', () => {
  assert.deepEqual(found(read(module(code, rustc))), ['generic rustc 1.75.0 producers'])
})

test('a component tells what made it and all that is in it, each once', () => {
  const inner = module(code, rustc)
  const made = producers({ 'processed-by': { 'wit-component': '0.20.0' } })
  const nested = component(section(1, inner), made)
  const facts = read(component(section(1, inner), section(4, nested), rustc))
  assert.deepEqual(found(facts).toSorted(), [
    'generic rustc 1.75.0 producers',
    'generic wit-component 0.20.0 producers',
  ])
})

test('a component with a name and a version is a package', () => {
  const version = custom('version', Buffer.from('1.2.3'))
  assert.deepEqual(found(read(component(named('component-name', 'my:app'), version))), [
    'generic my:app 1.2.3 -',
  ])
  assert.deepEqual(found(read(module(named('name', 'app'), version))), ['generic app 1.2.3 -'])
  assert.deepEqual(read(module(named('name', 'app'))), {}, 'a name alone is no package')
  const inner = section(1, module(named('name', 'inner')))
  assert.deepEqual(read(component(inner, version)), {}, 'a part does not name the whole')
})

test('a module of cargo auditable has its crates', () => {
  const crates = deflateSync(JSON.stringify({ packages: [{ name: 'smallvec', version: '1.6.0' }] }))
  assert.deepEqual(found(read(module(custom('.dep-v0', crates)))), ['cargo smallvec 1.6.0 -'])
  assert.match(read(module(custom('.dep-v0', Buffer.from('x')))).unknown ?? '', /cannot be unpacked/)
})

test('a module of Go’s own compiler has the standard library and its modules', () => {
  const made = producers({ language: { Go: 'go1.23.5' }, 'processed-by': { 'Go cmd/compile': 'go1.23.5' } })
  const list = 'path\ta.b/c\nmod\ta.b/c\tv1.0.0\t\ndep\ta.b/d\tv1.1.0\t\n'
  const framed = Buffer.concat([
    Buffer.from('3077af0c9274080241e1c107e6d618e6', 'hex'),
    Buffer.from(list),
    Buffer.from('f932433186182072008242104116d8f2', 'hex'),
  ])
  assert.deepEqual(read(module(section(11, framed), made)).unknown, undefined)
  assert.deepEqual(found(read(module(section(11, framed), made))), [
    'golang stdlib 1.23.5 -',
    'golang a.b/c v1.0.0 -',
    'golang a.b/d v1.1.0 -',
  ])
  assert.deepEqual(found(read(module(made))), ['golang stdlib 1.23.5 -'])
  assert.match(read(module(made)).unknown ?? '', /does not tell its modules/)
})

test('what is damaged is reported, with what was found before', () => {
  const whole = module(rustc, code)
  const facts = read(whole.subarray(0, whole.length - 10))
  assert.deepEqual(found(facts), ['generic rustc 1.75.0 producers'])
  assert.match(facts.unknown ?? '', /^the WebAssembly is damaged: it is cut off$/)
  assert.match(
    read(module(Buffer.from([10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))).unknown ?? '',
    /a number of it/,
  )
  assert.match(
    read(component(section(1, Buffer.from('no wasm')))).unknown ?? '',
    /a part of it is no WebAssembly/,
  )
})

test('components that are nested without end, and sections without number, come to an end', () => {
  let nested = component()
  for (let depth = 0; depth < 40; depth++) nested = component(section(4, nested))
  assert.match(read(nested).unknown ?? '', /nested too deeply/)
  assert.match(
    read(module(Buffer.alloc(400_000))).unknown ?? '',
    /too many sections|a number of it is cut off/,
  )
  const many = Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`tool-${index}`, '1.0.0']))
  assert.match(read(module(producers({ sdk: many }))).unknown ?? '', /too many producers/)
  assert.match(read(module(custom('producers', number(2 ** 32 - 1)))).unknown ?? '', /cut off/)
})

test('any bytes behind the magic come to an end, and are no packages without a name', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      rustc,
      code,
      module(rustc),
      section(1, module(rustc)),
      named('name', 'a'),
      Buffer.from([0, 5]),
    ),
    fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), fc.boolean(), (pieces, isComponent) => {
      const { packages = [] } = read(isComponent ? component(...pieces) : module(...pieces))
      assert.ok(packages.every(({ name, version }) => name !== '' && version !== ''))
    }),
    { numRuns: 500 },
  )
})
