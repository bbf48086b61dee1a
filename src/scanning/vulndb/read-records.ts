import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { text as readText } from 'node:stream/consumers'
import { createGunzip } from 'node:zlib'
import { promisify } from 'node:util'
import * as yauzl from 'yauzl'
import { ScanningFailure } from '../failures.ts'

const maximumRecordBytes = 16 * 1024 * 1024
const maximumRecords = 5_000_000

/** A record of a file, parsed, or why it could not be. */
export type ReadRecord = { readonly record: unknown } | { readonly place: string; readonly error: string }

/** True for files that can hold advisories. */
export function isAdvisoryFile(name: string): boolean {
  return /\.(?:json|jsonl|jsonl\.gz|zip)$/.test(name)
}

/** Every record of a file of advisories: one JSON document, JSON lines (also packed), or a zip of documents. */
export async function* readRecords(path: string): AsyncIterable<ReadRecord> {
  let count = 0
  const records = path.endsWith('.zip')
    ? readZip(path)
    : path.endsWith('.json')
      ? readDocument(path)
      : readLines(path)
  for await (const record of records) {
    if (++count > maximumRecords) {
      throw new ScanningFailure('ADVISORIES_INVALID', `more than ${maximumRecords} records in one file`)
    }
    yield record
  }
}

async function* readLines(path: string): AsyncIterable<ReadRecord> {
  const file = createReadStream(path)
  const input = path.endsWith('.gz') ? file.pipe(createGunzip()) : file
  file.on('error', (error) => input.destroy(error))
  let number = 0
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    number++
    if (line.trim() !== '') yield parse(line, `line ${number}`)
  }
}

async function* readDocument(path: string): AsyncIterable<ReadRecord> {
  const parsed = parse(await readLimited(createReadStream(path), maximumRecordBytes * 8), path)
  if ('record' in parsed && Array.isArray(parsed.record)) for (const record of parsed.record) yield { record }
  else yield parsed
}

async function* readZip(path: string): AsyncIterable<ReadRecord> {
  const archive = await promisify<string, yauzl.Options, yauzl.ZipFile>(yauzl.open as never)(path, {
    lazyEntries: true,
    autoClose: false,
  })
  try {
    for (;;) {
      const entry = await nextEntry(archive)
      if (!entry) return
      if (!entry.fileName.endsWith('.json')) continue
      if (entry.uncompressedSize > maximumRecordBytes) {
        yield { place: entry.fileName, error: `it has ${entry.uncompressedSize} bytes` }
        continue
      }
      const stream = await new Promise<Readable>((resolve, reject) =>
        archive.openReadStream(entry, (error, opened) => (error ? reject(error) : resolve(opened))),
      )
      yield parse(await readLimited(stream, maximumRecordBytes), entry.fileName)
    }
  } finally {
    archive.close()
  }
}

function nextEntry(archive: yauzl.ZipFile): Promise<yauzl.Entry | undefined> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => (): void => {
      archive.removeAllListeners('entry').removeAllListeners('end').removeAllListeners('error')
      act()
    }
    archive.once('entry', (entry: yauzl.Entry) => settle(() => resolve(entry))())
    archive.once(
      'end',
      settle(() => resolve(undefined)),
    )
    archive.once('error', (error: Error) => settle(() => reject(error))())
    archive.readEntry()
  })
}

async function readLimited(stream: Readable, maximumBytes: number): Promise<string> {
  let size = 0
  return readText(
    Readable.from(
      (async function* () {
        for await (const chunk of stream) {
          size += (chunk as Buffer).length
          if (size > maximumBytes)
            throw new ScanningFailure('ADVISORIES_INVALID', `a record passes ${maximumBytes} bytes`)
          yield chunk as Buffer
        }
      })(),
    ),
  )
}

function parse(text: string, place: string): ReadRecord {
  if (text.length > maximumRecordBytes * 8) return { place, error: 'it is too large' }
  try {
    return { record: JSON.parse(text) as unknown }
  } catch (error) {
    return { place, error: (error as Error).message }
  }
}
