import { createHash, randomUUID, type KeyObject } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform, type Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { DatabaseSync } from 'node:sqlite'
import { createZstdDecompress } from 'node:zlib'
import tar from 'tar-stream'
import { Value } from 'typebox/value'
import { ScanningFailure } from '../../failures.ts'
import { withImportLock } from '../import-lock.ts'
import { currentFile, swapIn } from '../swap-in.ts'
import { hasOurTables, schemaVersion } from '../tables.ts'
import { isSignedBy } from './sign-manifest.ts'
import { bundleEntries, bundleLimits, BundleManifest } from './wire.ts'

const maximumDatabaseBytes = 16 * 1024 ** 3

export interface BundleTrust {
  /** Keys of whom a bundle is taken from. */
  readonly keys: readonly KeyObject[]
  readonly allowOlder: boolean
}

/**
 * Checks a bundle and puts its database into use. Nothing of it is unpacked before the signature of its manifest
 * is good, and nothing is swapped in that is not, byte for byte, what the manifest says. Throws BUNDLE_INVALID,
 * BUNDLE_UNTRUSTED or BUNDLE_OLDER.
 */
export async function importBundle(
  folder: string,
  bundle: Readable,
  trust: BundleTrust,
): Promise<BundleManifest> {
  return withImportLock(folder, async () => {
    await mkdir(folder, { recursive: true })
    const unpacked = join(folder, `building-${randomUUID()}.sqlite`)
    try {
      const manifest = await verifyBundle(bundle, trust.keys, unpacked, (read) => {
        if (!trust.allowOlder) refuseOlder(folder, read)
      })
      checkDatabase(unpacked, manifest)
      swapIn(folder, unpacked, manifest.version)
      return manifest
    } finally {
      for (const suffix of ['', '-journal']) await rm(`${unpacked}${suffix}`, { force: true })
    }
  })
}

/** Reads a bundle and writes its database to `to`. Throws unless a key signed it and the bytes are the signed ones. */
export async function verifyBundle(
  bundle: Readable,
  keys: readonly KeyObject[],
  to: string,
  accept: (manifest: BundleManifest) => void = () => {},
): Promise<BundleManifest> {
  const archive = tar.extract()
  const fed = pipeline(bundle, archive as unknown as NodeJS.WritableStream)
  // What goes wrong with the stream comes out of the loop below as well.
  fed.catch(() => {})
  const head: { manifest?: Buffer; signature?: string } = {}
  try {
    for await (const entry of archive) {
      const { name } = entry.header
      const content = entry as unknown as Readable
      if (name === bundleEntries.manifest)
        head.manifest = await readSmall(content, bundleLimits.manifestBytes)
      else if (name === bundleEntries.signature)
        head.signature = (await readSmall(content, bundleLimits.signatureBytes)).toString()
      else if (name === bundleEntries.database) {
        const manifest = openManifest(head, keys)
        accept(manifest)
        await unpack(content, to, manifest)
        return manifest
      } else throw invalid(`it has an entry ${JSON.stringify(name.slice(0, 100))}`)
    }
  } catch (error) {
    if (error instanceof ScanningFailure) throw error
    throw invalid((error as Error).message, error)
  } finally {
    archive.destroy()
    bundle.destroy()
  }
  throw invalid('it has no database')
}

function openManifest(
  { manifest, signature }: { readonly manifest?: Buffer; readonly signature?: string },
  keys: readonly KeyObject[],
): BundleManifest {
  if (!manifest) throw invalid('it does not begin with its manifest')
  if (signature === undefined) throw untrusted('nobody signed it')
  if (keys.length === 0) throw untrusted('no key is trusted here; name one, or set vulndbBundleKeys')
  if (!isSignedBy(manifest, signature, keys)) throw untrusted('none of the trusted keys signed it')
  const read: unknown = JSON.parse(manifest.toString())
  if (!Value.Check(BundleManifest, read)) throw invalid('its manifest has another form')
  if (read.schemaVersion !== schemaVersion)
    throw invalid(`its tables are of version ${read.schemaVersion}; this release reads ${schemaVersion}`)
  return read
}

function refuseOlder(folder: string, manifest: BundleManifest): void {
  const current = currentFile(folder)
  if (current === undefined) return
  const importedAt = readMeta(current, 'imported_at')
  if (importedAt === undefined || Date.parse(manifest.createdAt) >= Number(importedAt)) return
  throw new ScanningFailure(
    'BUNDLE_OLDER',
    `the bundle is of ${manifest.createdAt}, older than the database in use; allow it to go back`,
  )
}

async function readSmall(content: Readable, maximumBytes: number): Promise<Buffer> {
  return buffer(content.pipe(limited(maximumBytes)))
}

async function unpack(content: Readable, to: string, manifest: BundleManifest): Promise<void> {
  if (manifest.sizeBytes > maximumDatabaseBytes) throw invalid('its database is too large')
  const running = createHash('sha256')
  const tap = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      running.update(chunk)
      done(null, chunk)
    },
  })
  const file = createWriteStream(to, { flush: true })
  await pipeline(content, createZstdDecompress(), limited(manifest.sizeBytes), tap, file)
  if (running.digest('hex') !== manifest.sha256) throw invalid('its database is not the one that was signed')
}

/** The signer is trusted, the file all the same has to be what we read from. */
function checkDatabase(file: string, manifest: BundleManifest): void {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(file)
    const check = database.prepare('pragma integrity_check').get() as { integrity_check: string }
    const version = database.prepare("select value from meta where name = 'version'").get()
    const isOurs = hasOurTables(database) && version?.['value'] === manifest.version
    if (check.integrity_check !== 'ok' || !isOurs) throw invalid('its database is damaged')
  } catch (error) {
    throw error instanceof ScanningFailure ? error : invalid('its database is damaged', error)
  } finally {
    database?.close()
  }
}

function readMeta(file: string, name: string): string | undefined {
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    if (!hasOurTables(database)) return undefined
    const row = database.prepare('select value from meta where name = ?').get(name)
    return row?.['value'] as string | undefined
  } finally {
    database.close()
  }
}

function limited(maximumBytes: number): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > maximumBytes) done(invalid(`a part of it has more than ${maximumBytes} bytes`))
      else done(null, chunk)
    },
  })
}

function invalid(why: string, cause?: unknown): ScanningFailure {
  return new ScanningFailure('BUNDLE_INVALID', `the bundle cannot be used: ${why}`, { cause })
}

function untrusted(why: string): ScanningFailure {
  return new ScanningFailure('BUNDLE_UNTRUSTED', `the bundle is not trusted: ${why}`)
}
