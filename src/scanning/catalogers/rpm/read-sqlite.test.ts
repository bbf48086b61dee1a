import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { contentOf } from '../../layers/file-content.ts'
import { BoundedFile } from './bounded-file.ts'
import { readSqlite } from './read-sqlite.ts'

const schema = 'CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)'

/** A database that SQLite itself writes, with a row for each of these. */
function write(pageBytes: number, blobs: readonly Buffer[], sql = schema): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'pratique-sqlite-'))
  try {
    const path = join(folder, 'rpmdb.sqlite')
    const database = new DatabaseSync(path)
    database.exec(`PRAGMA page_size = ${pageBytes}; ${sql}; BEGIN`)
    const insert = database.prepare('INSERT INTO Packages (blob) VALUES (?)')
    for (const blob of blobs) insert.run(blob)
    database.exec('COMMIT')
    database.close()
    return readFileSync(path)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function read(database: Buffer): Buffer[] {
  return [...readSqlite(new BoundedFile(contentOf(database)))]
}

describe('the table of an SQLite database', () => {
  for (const pageBytes of [512, 1024, 4096, 65_536]) {
    test(`with pages of ${pageBytes} bytes is read as SQLite wrote it, whatever the length of its rows`, () => {
      // Around these lengths it changes how much of a row stands on its page.
      const edges = [0, pageBytes / 8, pageBytes - 100, 2 * pageBytes - 100]
      const lengths = edges.flatMap((edge) =>
        Array.from({ length: 150 }, (_, index) => Math.floor(edge) + index),
      )
      const blobs = lengths.map((length, index) => Buffer.alloc(length, index + 1))
      assert.deepEqual(read(write(pageBytes, blobs)), blobs)
    })
  }

  test('is found behind others', () => {
    const others = Array.from({ length: 60 }, (_, index) => `CREATE TABLE other${index} (one, two)`).join(';')
    const blob = Buffer.from('header')
    assert.deepEqual(read(write(512, [blob], `${others}; ${schema}`)), [blob])
  })

  test('that is missing, or is none that a header can be in, is refused', () => {
    const renamed = Buffer.from(
      write(4096, []).toString('latin1').replaceAll('Packages', 'Packagez'),
      'latin1',
    )
    assert.throws(() => read(renamed), /no table Packages/)
    const sql = 'CREATE TABLE Packages (blob PRIMARY KEY) WITHOUT ROWID'
    assert.throws(() => read(write(4096, [Buffer.from('header')], sql)), /of no table/)
    assert.throws(
      () => read(write(4096, [Buffer.from('header')], 'CREATE TABLE Packages (blob)')),
      /no header/,
    )
  })

  test('whose page names one row thousands of times is refused', () => {
    const database = write(65_536, [Buffer.alloc(40_000)])
    // The table is on a page of its own, by its one cell.
    const page = [1, 2].find(
      (number) => database.readUInt16BE(number * 65_536 + 3) === 1 && database[number * 65_536] === 13,
    )
    const start = (page ?? 0) * 65_536
    const cell = database.readUInt16BE(start + 8)
    database.writeUInt16BE(5000, start + 3)
    for (let index = 0; index < 5000; index++) database.writeUInt16BE(cell, start + 8 + index * 2)
    assert.throws(() => read(database), /on top of each other/)
  })
})
