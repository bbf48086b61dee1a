import { createHash, randomUUID, type KeyObject } from 'node:crypto'
import { createReadStream, createWriteStream, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform, type Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createZstdCompress } from 'node:zlib'
import tar from 'tar-stream'
import type { VulnerabilityDatabase } from '../open-vulnerability-database.ts'
import { schemaVersion } from '../tables.ts'
import { signManifest } from './sign-manifest.ts'
import { bundleEntries, type BundleManifest } from './wire.ts'

/** A bundle ready to be sent: its bytes, and how to give back the space that it takes. */
export interface PackedBundle {
  readonly manifest: BundleManifest
  /** Streams the bundle. */
  open(): Readable
  close(): Promise<void>
}

/**
 * Packs a version of the database. Its bytes are packed aside first, since a tar has to know sizes before it has
 * contents. `key` signs it; without one whoever carries it on can add the signature.
 */
export async function packBundle(
  file: string,
  database: VulnerabilityDatabase,
  folder: string,
  key?: KeyObject,
): Promise<PackedBundle> {
  const packed = join(folder, `export-${randomUUID()}.zst`)
  const close = (): Promise<void> => rm(packed, { force: true })
  try {
    const { sha256, sizeBytes } = await compress(file, packed)
    const manifest = describe(database, sha256, sizeBytes)
    return { manifest, open: () => openBundle(manifest, packed, key), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Writes a bundle of the database in one go. */
export async function writeBundle(
  to: Writable,
  file: string,
  database: VulnerabilityDatabase,
  folder: string,
  key?: KeyObject,
): Promise<BundleManifest> {
  const bundle = await packBundle(file, database, folder, key)
  try {
    await pipeline(bundle.open(), to)
    return bundle.manifest
  } finally {
    await bundle.close()
  }
}

/** One pass: what is hashed is what is packed, even if the file's dates change in between. */
async function compress(from: string, to: string): Promise<{ sha256: string; sizeBytes: number }> {
  const running = createHash('sha256')
  let sizeBytes = 0
  const tap = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      running.update(chunk)
      sizeBytes += chunk.length
      done(null, chunk)
    },
  })
  await pipeline(createReadStream(from), tap, createZstdCompress(), createWriteStream(to))
  return { sha256: running.digest('hex'), sizeBytes }
}

function describe(database: VulnerabilityDatabase, sha256: string, sizeBytes: number): BundleManifest {
  return {
    format: 'pratique-vulndb-1',
    version: database.version,
    createdAt: new Date(database.importedAt).toISOString(),
    schemaVersion,
    sha256,
    sizeBytes,
    sources: database.sources
      .filter(({ records }) => records > 0)
      .map(({ name, records, builtAt }) => ({
        name,
        records,
        ...(builtAt === 0 ? {} : { builtAt: new Date(builtAt).toISOString() }),
      })),
  }
}

function openBundle(manifest: BundleManifest, packed: string, key: KeyObject | undefined): Readable {
  const pack = tar.pack()
  const bytes = Buffer.from(JSON.stringify(manifest, null, 2))
  // The same manifest gives the same bytes.
  const mtime = new Date(manifest.createdAt)
  pack.entry({ name: bundleEntries.manifest, mtime }, bytes)
  if (key) pack.entry({ name: bundleEntries.signature, mtime }, signManifest(bytes, key))
  const { size } = statSync(packed)
  const entry = pack.entry({ name: bundleEntries.database, mtime, size }, (error) => {
    if (error) pack.destroy(error)
    else pack.finalize()
  })
  pipeline(createReadStream(packed), entry).catch((error: Error) => pack.destroy(error))
  return pack as unknown as Readable
}
