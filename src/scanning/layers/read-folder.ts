import { closeSync, createReadStream, openSync, readSync } from 'node:fs'
import { opendir, readlink, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { FileFacts } from '../catalogers/index.ts'
import { ScanningFailure } from '../failures.ts'
import { catalogueFile, headBytes, wantedBy } from './catalogue-file.ts'
import { hidesDatabase } from './package-databases.ts'
import type { LayerChanges } from './read-layer.ts'

/**
 * Reads a folder that holds the root of a file system, as if it were the only layer. Links are not followed,
 * so that nothing outside is read. Throws SCAN_FAILED for what cannot be listed or has too many entries.
 */
export async function readFolder(folder: string, maximumEntries: number): Promise<LayerChanges> {
  const files = new Map<string, FileFacts>()
  let entries = 0
  const waiting = ['']
  for (let below = waiting.pop(); below !== undefined; below = waiting.pop()) {
    for await (const entry of await openFolder(join(folder, below))) {
      if (++entries > maximumEntries) {
        throw new ScanningFailure('SCAN_FAILED', `${folder} has more than ${maximumEntries} entries`)
      }
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      if (entry.isDirectory()) waiting.push(path)
      else if (entry.isFile()) await noteFile(files, folder, path)
      else if (entry.isSymbolicLink()) noteLink(files, path, await readlink(join(folder, path)))
    }
  }
  return { diffId: '', files, removed: [], opaque: [], links: [] }
}

async function openFolder(path: string): ReturnType<typeof opendir> {
  try {
    return await opendir(path)
  } catch (error) {
    throw new ScanningFailure('SCAN_FAILED', `${path} cannot be listed: ${(error as Error).message}`)
  }
}

function noteLink(files: Map<string, FileFacts>, path: string, target: string): void {
  if (hidesDatabase(path, target)) {
    files.set(path, { unknown: `it is a link to ${target}, where no packages are looked for` })
  }
}

async function noteFile(files: Map<string, FileFacts>, folder: string, path: string): Promise<void> {
  try {
    const full = join(folder, path)
    const wanting = wantedBy(path, readHead(full))
    if (wanting.length === 0) return
    const { size } = await stat(full)
    const chunks = createReadStream(full) as AsyncIterable<Buffer>
    const facts = await catalogueFile(wanting, path, size, chunks)
    if (facts) files.set(path, facts)
  } catch (error) {
    files.set(path, { unknown: (error as Error).message })
  }
}

function readHead(path: string): Buffer {
  const descriptor = openSync(path, 'r')
  try {
    const head = Buffer.alloc(headBytes)
    return head.subarray(0, readSync(descriptor, head, 0, headBytes, 0))
  } finally {
    closeSync(descriptor)
  }
}
