import { createHash, type Hash } from 'node:crypto'
import { createReadStream, createWriteStream, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { digestOf, hexOf } from '../src/kernel/digest.ts'
import { mediaTypes, type Descriptor } from '../src/kernel/media-types.ts'

/*
 * Makes an OCI image layout out of tars, the lowest layer first.
 * Usage: node scripts/write-layout.ts FOLDER TAR...
 */

const [folder = '', ...tars] = process.argv.slice(2)
const blobs = join(folder, 'blobs/sha256')
mkdirSync(blobs, { recursive: true })

const layers: Descriptor[] = []
const diffIds: string[] = []
for (const tar of tars) {
  const [plain, packed] = [createHash('sha256'), createHash('sha256')]
  const unnamed = join(blobs, 'layer')
  const stages = [
    hashed(plain),
    createGzip({ level: 6 }),
    hashed(packed),
    createWriteStream(unnamed),
  ] as const
  await pipeline(createReadStream(tar), ...stages)
  const hex = packed.digest('hex')
  layers.push({ mediaType: mediaTypes.ociLayerGzip, digest: `sha256:${hex}`, size: statSync(unnamed).size })
  diffIds.push(`sha256:${plain.digest('hex')}`)
  renameSync(unnamed, join(blobs, hex))
}
const config = add(
  {
    os: 'linux',
    architecture: 'amd64',
    config: {},
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: tars.map((tar) => ({ created_by: `ADD ${tar.split('/').at(-1)} /` })),
  },
  mediaTypes.ociConfig,
)
const manifest = add(
  { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers },
  mediaTypes.ociManifest,
)
const named = { ...manifest, annotations: { 'org.opencontainers.image.ref.name': 'latest' } }
writeFileSync(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [named] }))

function add(document: object, mediaType: string): Descriptor {
  const bytes = Buffer.from(JSON.stringify(document))
  const digest = digestOf(bytes)
  writeFileSync(join(blobs, hexOf(digest)), bytes)
  return { mediaType, digest, size: bytes.length }
}

function hashed(hash: Hash): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      done(null, chunk)
    },
  })
}
