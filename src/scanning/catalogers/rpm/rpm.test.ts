import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { contentOf } from '../../layers/file-content.ts'
import type { FileFacts } from '../types.ts'
import { BoundedFile } from './bounded-file.ts'
import { readSqlite } from './read-sqlite.ts'
import { rpm, rpmJournal } from './rpm.ts'

function open(name: string): Buffer {
  return gunzipSync(readFileSync(join(import.meta.dirname, 'testdata', `${name}.gz`)))
}

function read(database: Buffer): FileFacts {
  return rpm.read('var/lib/rpm/Packages', contentOf(database)) as FileFacts
}

const sqlite = open('rpmdb.sqlite')
const littleEndian = open('Packages.little-endian')
const bigEndian = open('Packages.big-endian')
const largePages = open('Packages.large-pages')
const headers = [...readSqlite(new BoundedFile(contentOf(sqlite)))]

const databases: readonly (readonly [string, Buffer])[] = [
  ['SQLite', sqlite],
  ['ndb', open('Packages.db')],
  ['Berkeley DB, little-endian', littleEndian],
  ['Berkeley DB, big-endian', bigEndian],
  ['Berkeley DB, with records on the pages of buckets', largePages],
]

const vendor = 'AlmaLinux'
const expected = [
  { name: 'bash', version: '5.1.8-6.el9', architecture: 'x86_64', vendor },
  { name: 'htop', version: '3.2.1-1.el9', architecture: 'x86_64', vendor: 'Fedora Project' },
  {
    name: 'nodejs',
    version: '20.9.0-1.module_el9.3.0+50',
    architecture: 'noarch',
    vendor,
    module: 'nodejs:20:9030020231121:rhel9',
  },
  { name: 'openssl', version: '1:3.0.7-27.el9', architecture: 'x86_64', vendor },
  {
    name: 'openssl-libs',
    version: '1:3.0.8-27.el9',
    architecture: 'x86_64',
    vendor,
    sourceName: 'openssl',
    sourceVersion: '3.0.7-27.el9',
  },
  { name: 'python3-six', version: '1.15.0~rc1-9.el9', architecture: 'noarch', vendor },
  { name: 'tzdata', version: '2024a-1', architecture: 'noarch', vendor },
].map((found) => ({ type: 'rpm', ...found }))

describe('an rpm database', () => {
  for (const [name, database] of databases) {
    test(`of the format ${name} gives every package, without the keys`, () => {
      const { packages = [], unknown } = read(database)
      assert.deepEqual(
        packages.toSorted((left, right) => (left.name < right.name ? -1 : 1)),
        expected,
      )
      assert.equal(unknown, undefined)
    })

    test(`of the format ${name} gives the files that packages own`, () => {
      const { ownedFiles = [] } = read(database)
      const owned = new Set(ownedFiles)
      assert.equal(ownedFiles.filter((path) => path.startsWith('usr/share/zoneinfo/Area/Place_')).length, 700)
      for (const path of ['bin/sh', 'usr/lib/python3.9/site-packages/six-1.15.0.dist-info/METADATA']) {
        assert.ok(owned.has(path), path)
      }
    })

    test(`of the format ${name} that was cut off is reported, with what was read before`, () => {
      const facts = read(database.subarray(0, database.length - 5000))
      assert.match(String(facts.unknown), /points to byte|more than itself/)
      assert.ok((facts.packages ?? []).length > 0)
    })
  }

  test('laid out by this test is what rpm would have written', () => {
    assert.deepEqual(read(makeNdb(headers)), read(sqlite))
  })

  test('without packages is no gap', () => {
    assert.deepEqual(read(makeNdb([])), { packages: [], ownedFiles: [] })
  })

  test('of no known format is reported', () => {
    for (const content of [Buffer.alloc(0), Buffer.from('hello'), Buffer.alloc(4096)]) {
      assert.match(String(read(content).unknown), /no rpm database/)
    }
  })

  test('with one broken header still gives the other packages', () => {
    const facts = read(makeNdb([headers[0] as Buffer, Buffer.from('no header at all'), ...headers.slice(1)]))
    assert.equal(facts.packages?.length, expected.length)
    assert.match(String(facts.unknown), /cut off/)
  })

  test('is found in every place that rpm keeps one, and nowhere else', () => {
    const head = Buffer.alloc(0)
    for (const path of [
      'var/lib/rpm/rpmdb.sqlite',
      'var/lib/rpm/Packages',
      'usr/lib/sysimage/rpm/Packages.db',
      'usr/share/rpm/rpmdb.sqlite',
    ]) {
      assert.ok(rpm.wants(path, head), path)
    }
    for (const path of ['var/lib/rpm/Name', 'srv/var/lib/rpm/Packages', 'var/lib/rpm/old/Packages']) {
      assert.ok(!rpm.wants(path, head), path)
    }
  })
})

describe('a journal beside an SQLite database', () => {
  const ask = (content: Buffer): FileFacts =>
    rpmJournal.read('var/lib/rpm/rpmdb.sqlite-wal', contentOf(content)) as FileFacts

  test('that holds changes is reported', () => {
    assert.ok(rpmJournal.wants('var/lib/rpm/rpmdb.sqlite-wal', Buffer.alloc(0)))
    assert.match(String(ask(Buffer.from('377f0682'.padEnd(200, '0'), 'hex')).unknown), /does not have yet/)
  })

  test('that is empty, has but a header or was zeroed says nothing', () => {
    for (const content of [
      Buffer.alloc(0),
      Buffer.from('377f0682'.padEnd(64, '0'), 'hex'),
      Buffer.alloc(600),
    ]) {
      assert.deepEqual(ask(content), {})
    }
  })
})

describe('a hostile rpm database', () => {
  test('whose inner pages point at themselves comes to an end', () => {
    const database = Buffer.from(sqlite)
    // Page 1 becomes an inner page without cells whose last child is itself.
    database.writeUInt8(5, 100)
    database.writeUInt16BE(0, 103)
    database.writeUInt32BE(1, 108)
    assert.match(String(read(database).unknown), /its pages lead in circles/)
  })

  test('whose record lies on a chain in a circle comes to an end', () => {
    const database = Buffer.from(littleEndian)
    for (let page = 4096; page < database.length; page += 4096) {
      if (database[page + 25] === 7) database.writeUInt32LE(page / 4096, page + 16)
    }
    assert.match(String(read(database).unknown), /does not go on|circles/)
  })

  test('whose items do not go down their page is reported', () => {
    const database = Buffer.from(littleEndian)
    for (let page = 4096; page < database.length; page += 4096) {
      if (database[page + 25] === 13) database.writeUInt16LE(4095, page + 28)
    }
    assert.match(String(read(database).unknown), /on top of each other/)
  })

  test('of ndb whose record is not the one of its slot, or has two lengths, is reported', () => {
    const record = headers[0] as Buffer
    const tail = makeNdb([record]).length - 12
    for (const at of [4096 + 4, 4096 + 12, tail + 4, tail + 8]) {
      const database = makeNdb([record])
      database.writeUInt8((database[at] as number) ^ 1, at)
      assert.match(String(read(database).unknown), /damaged|no BlbE/)
    }
  })

  test('with a record that claims gigabytes is reported before memory is taken', () => {
    const database = Buffer.from(littleEndian)
    for (let page = 4096; page < database.length; page += 4096) {
      if (database[page + 25] !== 13 || database.readUInt16LE(page + 20) < 2) continue
      const value = page + database.readUInt16LE(page + 28)
      if (database[value] === 3) database.writeUInt32LE(0xffff_fff0, value + 8)
    }
    const before = process.memoryUsage().arrayBuffers
    assert.match(String(read(database).unknown), /at most 33554432 are read/)
    assert.ok(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024)
  })

  test('with a header that names a folder for no file is reported', () => {
    const header = makeHeader([
      [1000, 6, 1, Buffer.from('name\0')],
      [1001, 6, 1, Buffer.from('1\0')],
      [1002, 6, 1, Buffer.from('2\0')],
      [1116, 4, 1, Buffer.from([0, 0, 0, 7])],
      [1117, 8, 1, Buffer.from('file\0')],
      [1118, 8, 1, Buffer.from('/folder/\0')],
    ])
    const facts = read(makeNdb([header]))
    assert.deepEqual(facts.packages, [{ type: 'rpm', name: 'name', version: '1-2' }])
    assert.match(String(facts.unknown), /no folder/)
  })

  test('whose headers list more than there is are reported', () => {
    for (const [tag, type] of [
      [1117, 8],
      [1118, 8],
      [1116, 4],
    ] as const) {
      const header = makeHeader([[tag, type, 0xffff_ffff, Buffer.alloc(4)]])
      assert.match(String(read(makeNdb([header])).unknown), /lists 4294967295/)
    }
  })

  test('whose slots all name the same record comes to an end', () => {
    // Every slot names the same blocks; rpm would read them for each.
    const database = makeNdb([Buffer.alloc(1024 * 1024)], 500)
    const startedAt = performance.now()
    assert.match(String(read(database).unknown), /on top of each other|circles/)
    assert.ok(performance.now() - startedAt < 2000)
  })

  const mutations = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(255)), {
    minLength: 1,
    maxLength: 40,
  })
  for (const [name, database] of databases) {
    test(`of the format ${name} with wrong bytes is read or reported, at once`, () => {
      fc.assert(
        fc.property(mutations, fc.boolean(), (wrong, isAtStart) => {
          const broken = Buffer.from(database)
          // Half of the runs damage the first pages, where structure is dense.
          const reach = isAtStart ? Math.min(broken.length, 16_384) : broken.length
          for (const [where, byte] of wrong) broken[Math.floor(where * (reach - 1))] = byte
          assertQuick(() => read(broken))
        }),
        { numRuns: 150 },
      )
    })

    test(`of the format ${name} that ends anywhere is read or reported, at once`, () => {
      fc.assert(
        fc.property(fc.nat(database.length), (length) =>
          assertQuick(() => read(database.subarray(0, length))),
        ),
        { numRuns: 100 },
      )
    })

    test(`of the format ${name} of noise behind a right beginning is read or reported, at once`, () => {
      fc.assert(
        fc.property(
          fc.uint8Array({ minLength: 1000, maxLength: 20_000 }),
          fc.constantFrom(16, 32, 100, 512),
          (noise, kept) => assertQuick(() => read(Buffer.concat([database.subarray(0, kept), noise]))),
        ),
        { numRuns: 100 },
      )
    })
  }
})

test('the fixtures of Berkeley DB have records on chains of pages, and records in their buckets', () => {
  const chained = [littleEndian, largePages].map((database) => {
    const pageBytes = database.readUInt32LE(20)
    const pages = Array.from({ length: database.length / pageBytes }, (_, page) => page * pageBytes)
    return pages.filter((page) => database[page + 25] === 7).length
  })
  assert.ok(chained[0] !== undefined && chained[0] > headers.length * 2)
  assert.ok(chained[1] !== undefined && chained[1] < headers.length)
})

function assertQuick(act: () => unknown): void {
  const startedAt = performance.now()
  act()
  assert.ok(performance.now() - startedAt < 2000)
}

/**
 * An ndb file as rpm lays it out (read-ndb.ts tells how), of records that rpm would not write. With `slotsEach`, so many
 * slots name each record.
 */
function makeNdb(records: readonly Buffer[], slotsEach = 1): Buffer {
  const slotPages = Math.max(1, Math.ceil((records.length * slotsEach + 2) / 256))
  const slots = Buffer.alloc(slotPages * 4096)
  for (let at = 32; at < slots.length; at += 16) slots.write('Slot', at)
  slots.write('RpmP', 0)
  slots.writeUInt32LE(1, 8)
  slots.writeUInt32LE(slotPages, 12)
  slots.writeUInt32LE(records.length + 1, 16)
  const blobs: Buffer[] = []
  let block = slots.length / 16
  for (const [index, record] of records.entries()) {
    const blob = makeNdbRecord(index + 1, record)
    for (let copy = 0; copy < slotsEach; copy++) {
      const slot = 32 + (index * slotsEach + copy) * 16
      slots.writeUInt32LE(index + 1, slot + 4)
      slots.writeUInt32LE(block, slot + 8)
      slots.writeUInt32LE(blob.length / 16, slot + 12)
    }
    blobs.push(blob)
    block += blob.length / 16
  }
  return Buffer.concat([slots, ...blobs])
}

function makeNdbRecord(number: number, record: Buffer): Buffer {
  const blob = Buffer.alloc(Math.ceil((16 + record.length + 12) / 16) * 16)
  blob.write('BlbS', 0)
  blob.writeUInt32LE(number, 4)
  blob.writeUInt32LE(1, 8)
  blob.writeUInt32LE(record.length, 12)
  record.copy(blob, 16)
  const tail = blob.length - 12
  blob.writeUInt32LE(adler32(blob.subarray(0, tail)), tail)
  blob.writeUInt32LE(record.length, tail + 4)
  blob.write('BlbE', tail + 8)
  return blob
}

function adler32(bytes: Buffer): number {
  let [low, high] = [1, 0]
  for (const byte of bytes) {
    low = (low + byte) % 65_521
    high = (high + low) % 65_521
  }
  return high * 65_536 + low
}

/** A header of these entries: tag, type, count and data. */
function makeHeader(entries: readonly (readonly [number, number, number, Buffer])[]): Buffer {
  const index = Buffer.alloc(8 + entries.length * 16)
  let offset = 0
  for (const [place, [tag, type, count, data]] of entries.entries()) {
    for (const [field, value] of [tag, type, offset, count].entries()) {
      index.writeUInt32BE(value, 8 + place * 16 + field * 4)
    }
    offset += data.length
  }
  index.writeUInt32BE(entries.length, 0)
  index.writeUInt32BE(offset, 4)
  return Buffer.concat([index, ...entries.map(([, , , data]) => data)])
}
