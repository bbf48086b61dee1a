import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { text as readText } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import tar from 'tar-stream'
import * as yauzl from 'yauzl'
import { ScanningFailure } from '../failures.ts'

const maximumRecordBytes = 16 * 1024 * 1024
/** One document that is a whole source, such as Debian's tracker. */
const maximumDocumentBytes = 256 * 1024 * 1024
const maximumUnpackedBytes = 64 * 1024 ** 3
const maximumRecords = 5_000_000
const maximumLineLength = 16 * 1024 * 1024

/** A record of a file, parsed, or why it could not be. */
export type ReadRecord = { readonly record: unknown } | { readonly place: string; readonly error: string }

/** Ends of the names of files that can hold advisories. */
export const advisorySuffix = /\.(?:json|json\.gz|jsonl|jsonl\.gz|csv|csv\.gz|zip|tar|tar\.gz|tgz|tar\.zst)$/

/** True for files that can hold advisories. */
export function isAdvisoryFile(name: string): boolean {
  return advisorySuffix.test(name)
}

/**
 * Every record of a file of advisories: a JSON document, JSON lines, a CSV table with a heading, or an archive
 * of documents. A damaged file throws where it is damaged.
 */
export async function* readRecords(path: string): AsyncIterable<ReadRecord> {
  let count = 0
  for await (const record of openRecords(path)) {
    if (++count > maximumRecords) {
      throw new ScanningFailure('ADVISORIES_INVALID', `more than ${maximumRecords} records in one file`)
    }
    yield record
  }
}

function openRecords(path: string): AsyncIterable<ReadRecord> {
  if (path.endsWith('.zip')) return readZip(path)
  if (/\.(?:tar|tgz|tar\.gz|tar\.zst)$/.test(path)) return readTar(path)
  if (/\.json(?:\.gz)?$/.test(path)) return readDocument(path)
  return /\.csv(?:\.gz)?$/.test(path) ? readTable(path) : readLines(path)
}

/** The file's bytes, unpacked; how it is packed is told by its name. */
function openUnpacked(path: string): Readable {
  const file = createReadStream(path)
  const unpack = /\.(?:gz|tgz)$/.test(path)
    ? createGunzip()
    : path.endsWith('.zst')
      ? createZstdDecompress()
      : undefined
  if (!unpack) return file
  file.on('error', (error) => unpack.destroy(error))
  return file.pipe(unpack)
}

async function* readTextLines(path: string): AsyncIterable<string> {
  const input = openUnpacked(path)
  let failure: Error | undefined
  input.on('error', (error) => (failure = error))
  let sizeBytes = 0
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    sizeBytes += line.length
    if (line.length > maximumLineLength || sizeBytes > maximumUnpackedBytes)
      throw new ScanningFailure('ADVISORIES_INVALID', 'a file of advisories is too large')
    yield line
  }
  // readline ends quietly where a packed file is cut off.
  if (failure) throw failure
}

async function* readLines(path: string): AsyncIterable<ReadRecord> {
  let number = 0
  for await (const line of readTextLines(path)) {
    number++
    if (line.trim() !== '') yield parse(line, `line ${number}`)
  }
}

/** A heading and rows; `#name:value,…` lines before it (EPSS) go into every record. */
async function* readTable(path: string): AsyncIterable<ReadRecord> {
  let heading: readonly string[] | undefined
  let remarks: readonly (readonly [string, string])[] = []
  for await (const line of readTextLines(path)) {
    if (line.startsWith('#')) {
      const parts = line.slice(1).split(',')
      remarks = [...remarks, ...parts.map((part) => splitOnce(part))].slice(0, 20)
    } else if (!heading) heading = line.split(',').map((name) => name.trim())
    else if (line.trim() !== '') {
      const cells = line.split(',')
      yield { record: Object.fromEntries([...remarks, ...heading.map((name, at) => [name, cells[at]])]) }
    }
  }
}

function splitOnce(text: string): readonly [string, string] {
  const colon = text.indexOf(':')
  return colon < 0 ? [text.trim(), ''] : [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]
}

async function* readDocument(path: string): AsyncIterable<ReadRecord> {
  const text = await readLimited(openUnpacked(path), maximumDocumentBytes)
  const parsed = parse(text, 'the document')
  if ('record' in parsed && Array.isArray(parsed.record)) for (const record of parsed.record) yield { record }
  else yield parsed
}

/** tar-stream's way to walk an archive; `next` has to wait until an entry was read. */
async function* readTar(path: string): AsyncIterable<ReadRecord> {
  const archive = tar.extract()
  const input = openUnpacked(path)
  input.on('error', (error) => archive.destroy(error))
  input.pipe(archive)
  let sizeBytes = 0
  for await (const entry of archive) {
    sizeBytes += entry.header.size ?? 0
    if (sizeBytes > maximumUnpackedBytes)
      throw new ScanningFailure('ADVISORIES_INVALID', 'an archive of advisories is too large')
    if (entry.header.type === 'file' && entry.header.name.endsWith('.json')) {
      if ((entry.header.size ?? 0) > maximumRecordBytes)
        yield { place: entry.header.name, error: `it has ${entry.header.size} bytes` }
      else {
        yield parse(await readLimited(entry as unknown as Readable, maximumRecordBytes), entry.header.name)
        continue
      }
    }
    entry.resume()
  }
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
  try {
    return { record: JSON.parse(text) as unknown }
  } catch (error) {
    return { place, error: (error as Error).message }
  }
}
