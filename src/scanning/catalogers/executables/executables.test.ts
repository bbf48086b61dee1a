import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  makeElf,
  makeFatMachO,
  makeMachO,
  makePe,
  type Part,
} from '../../../../test/fixtures/make-executables.ts'
import { contentOf } from '../../layers/file-content.ts'
import type { FileFacts } from '../types.ts'
import { executables } from './executables.ts'
import { isExecutable, locateAddress, readExecutables } from './read-executables.ts'
import type { Executable } from './types.ts'

const parts: readonly Part[] = [
  { name: '.text', address: 0x401000, bytes: Buffer.from('code of it') },
  { name: '.data', address: 0x402000, bytes: Buffer.from('variables'), isData: true },
]
const formats: Readonly<Record<string, Buffer>> = {
  'ELF of 64 bits': makeElf(parts),
  'ELF of 32 bits': makeElf(parts, { addressBytes: 4 }),
  'ELF of 64 bits, big end first': makeElf(parts, { isBigEndian: true }),
  'ELF of 32 bits, big end first': makeElf(parts, { isBigEndian: true, addressBytes: 4 }),
  PE: makePe(parts),
  'Mach-O': makeMachO(parts),
  'Mach-O for two architectures': makeFatMachO([makeMachO(parts), makeMachO(parts)]),
}

function tell(bytes: Buffer): FileFacts {
  return executables.read('usr/bin/program', contentOf(bytes)) as FileFacts
}

function partsOf(bytes: Buffer, { sections }: Executable): string[] {
  return sections
    .filter(({ name }) => name === '.text' || name === '.data')
    .map(({ name, address, offset, sizeBytes }) =>
      [name, address.toString(16), bytes.toString('latin1', offset, offset + sizeBytes)].join(' '),
    )
}

for (const [name, bytes] of Object.entries(formats)) {
  describe(name, () => {
    test('is known by its first bytes, and is not damaged', () => {
      assert.ok(isExecutable(bytes.subarray(0, 64)))
      assert.deepEqual(tell(bytes), {})
    })

    test('has its parts where they lie', () => {
      const found = readExecutables(contentOf(bytes))
      assert.ok(found.length > 0)
      for (const executable of found) {
        assert.deepEqual(partsOf(bytes, executable), ['.text 401000 code of it', '.data 402000 variables'])
      }
    })

    test('has an address where the bytes of it are, and none outside of them', () => {
      for (const executable of readExecutables(contentOf(bytes))) {
        const place = locateAddress(executable, 0x402003)
        assert.ok(place)
        assert.equal(bytes.toString('latin1', place.offset, place.offset + place.sizeBytes), 'iables')
        for (const address of [0, 0x400fff, 0x40100a, 0x402009, 2 ** 60]) {
          assert.equal(locateAddress(executable, address), undefined, address.toString(16))
        }
      }
    })

    test('tells which of its parts holds variables', () => {
      for (const { segments } of readExecutables(contentOf(bytes))) {
        assert.deepEqual(
          segments.map(({ isData }) => isData),
          [false, true],
        )
      }
    })

    test('never throws where it is cut off or damaged', () => {
      const damage = fc.record({
        length: fc.nat(bytes.length),
        flips: fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 6 }),
      })
      fc.assert(
        fc.property(damage, ({ length, flips }) => {
          const copy = Buffer.from(bytes)
          for (const [at, value] of flips) copy[at] = value
          const facts = tell(copy.subarray(0, Math.max(64, length)))
          assert.ok(facts.packages === undefined)
        }),
        { numRuns: 300 },
      )
    })
  })
}

test('a file that lost its end is reported', () => {
  for (const name of ['ELF of 64 bits', 'ELF of 32 bits']) {
    const bytes = formats[name] as Buffer
    assert.match(
      tell(bytes.subarray(0, bytes.length - 10)).unknown ?? '',
      /^the executable is damaged: /,
      name,
    )
  }
})

test('tables that cannot be are not read', () => {
  const sections = Buffer.from(formats['ELF of 64 bits'] as Buffer)
  sections.writeUInt16LE(0xfff0, 60)
  assert.match(tell(sections).unknown ?? '', /it points to byte/)
  sections.writeUInt16LE(0, 60)
  const table = Number(sections.readBigUInt64LE(40))
  sections.writeBigUInt64LE(2n ** 40n, table + 32)
  assert.match(tell(sections).unknown ?? '', /has 1099511627776 entries/)
  const commands = Buffer.from(formats['Mach-O'] as Buffer)
  commands.writeUInt32LE(0xffffffff, 20)
  assert.match(tell(commands).unknown ?? '', /load commands are too long/)
})

test('a Java class is no Mach-O, and a DOS program no PE', () => {
  const java = Buffer.alloc(64)
  java.writeUInt32BE(0xcafebabe, 0)
  java.writeUInt32BE(52, 4)
  assert.ok(!isExecutable(java))
  const dos = Buffer.alloc(512)
  dos.write('MZ')
  dos.writeUInt32LE(256, 0x3c)
  assert.deepEqual(readExecutables(contentOf(dos)), [])
  assert.deepEqual(tell(dos), {})
})

test('a program that is packed with UPX is reported, as it hides what is in it', () => {
  const elf = makeElf([{ name: '', address: 0x400000, bytes: Buffer.from('l_info UPX! packed') }], {
    isBare: true,
  })
  assert.match(tell(elf).unknown ?? '', /packed with UPX/)
  const pe = makePe([{ name: 'UPX0', address: 0x401000, bytes: Buffer.from('x') }])
  assert.match(tell(pe).unknown ?? '', /packed with UPX/)
  assert.deepEqual(tell(makeElf([{ name: '.rodata', address: 0, bytes: Buffer.from('UPX!') }])), {})
})
