import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { basename, dirname } from 'node:path'
import { PassThrough, type Readable, type Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { extract, pack, type Header, type Pack } from 'tar-stream'
import type { Digest } from '../../kernel/digest.ts'
import { CriFailure } from '../cri/failures.ts'
import { hostile, LayerPaths } from './layer-paths.ts'
import type { Descriptor } from './types.ts'
import { canGiveFiles, userNamespace } from '../rootless/user-namespace.ts'

const maximumEntries = 1_000_000
const maximumBytes = 64 * 1024 ** 3
/** What tar says of a disk that is full; the second when it was full in the middle of a file. */
const noSpace = /No space left|Wrote only \d+ of/
const whiteout = '.wh.'
const opaque = '.wh..wh..opq'
/** Whoever may only mount in a user namespace has it among the attributes of users (kernel documentation, `userxattr`). */
const opaqueAttribute = `SCHILY.xattr.${userNamespace() ? 'user' : 'trusted'}.overlay.opaque`

/**
 * How what a layer deletes is written. `overlay`: as overlayfs has it (kernel documentation, "whiteouts and opaque
 * directories"), in a folder of the layer's own. `apply`: it is deleted from the folder, which holds what is below.
 */
export type Whiteouts =
  | { readonly kind: 'overlay'; readonly below: readonly string[] }
  | { readonly kind: 'apply'; readonly remove: (path: string, what: Removal) => void }

/** `unless-folder`: what is no folder makes way for one; `inside`: what is in a folder, which stays. */
export type Removal = 'all' | 'unless-folder' | 'inside'

export interface LayerPlace {
  readonly file: string
  readonly layer: Descriptor
  /** Digest of the uncompressed archive, as the config of the image says. */
  readonly diffId: Digest
  readonly target: string
  readonly whiteouts: Whiteouts
}

/**
 * Unpacks a layer (image-spec, "Image Layer Filesystem Changeset") into a folder. Names and links are checked and
 * rewritten here; the system's `tar` makes the files, with owners, devices and attributes. Throws `CriFailure`; the
 * folder is not to be used then.
 */
export async function unpackLayer(place: LayerPlace, signal: AbortSignal): Promise<void> {
  const { file, layer, diffId, target, whiteouts } = place
  const hash = createHash('sha256')
  const hashed = new PassThrough()
  hashed.on('data', (chunk: Buffer) => hash.update(chunk))
  const archive = pack()
  const paths = new LayerPaths(whiteouts.kind === 'overlay' ? whiteouts.below : [target])
  const reading = pipeline([createReadStream(file), ...decompress(layer), hashed], { signal })
  const unpacking = runTar(target, archive, signal)
  try {
    await Promise.all([
      reading,
      rewrite(hashed, archive, { paths, whiteouts, folders: new Map() }),
      unpacking,
    ])
  } catch (error) {
    archive.destroy()
    await Promise.allSettled([reading, unpacking])
    throw explain(error, layer)
  }
  if (`sha256:${hash.digest('hex')}` !== diffId) {
    throw new CriFailure(
      'DATA_LOSS',
      `the layer ${layer.digest} unpacks to something else than the config of its image says (${diffId}); the image was built wrongly, or tampered with`,
    )
  }
}

function decompress({ mediaType }: Descriptor): Transform[] {
  if (mediaType.endsWith('+zstd')) return [createZstdDecompress()]
  if (/[+.]gzip$/.test(mediaType)) return [createGunzip()]
  if (mediaType.endsWith('.tar')) return []
  throw new CriFailure('FAILED_PRECONDITION', `layers of the type ${mediaType} cannot be unpacked`)
}

type Made = Partial<Header> & { readonly name: string }

interface Rewriting {
  readonly paths: LayerPaths
  readonly whiteouts: Whiteouts
  /** Folders of this layer, as they were made. */
  readonly folders: Map<string, Made>
}

async function rewrite(source: Readable, archive: Pack, parts: Rewriting): Promise<void> {
  const entries = source.pipe(extract())
  source.once('error', (error) => entries.destroy(error))
  let count = 0
  let bytes = 0
  // What follows the end of the archive is part of its digest.
  for await (const entry of entries) {
    const { header } = entry
    bytes += header.size ?? 0
    if (++count > maximumEntries || bytes > maximumBytes) {
      throw hostile(header.name, `comes after more than ${maximumEntries} entries or ${maximumBytes} bytes`)
    }
    const written = rewriteHeader(header, parts)
    if (!written) {
      entry.resume()
      continue
    }
    if (written.type === 'file' && (written.size ?? 0) > 0) {
      await pipeline(entry, archive.entry(written))
    } else {
      entry.resume()
      archive.entry(written, Buffer.of())
    }
  }
  archive.finalize()
}

/** The entry as it is made; undefined for what makes nothing. */
function rewriteHeader(header: Header, parts: Rewriting): Made | undefined {
  const { paths, whiteouts, folders } = parts
  const path = paths.resolve(header.name)
  const name = basename(path)
  if (name.startsWith(whiteout)) return rewriteWhiteout(path, parts)
  if (path === '') return undefined
  // Nobody makes devices in a user namespace, and none could be opened there.
  if (header.type?.endsWith('-device') && userNamespace()) return undefined
  const base = { ...header, name: header.type === 'directory' ? `${path}/` : path, pax: attributesOf(header) }
  switch (header.type) {
    case 'symlink':
      if (whiteouts.kind === 'apply') whiteouts.remove(path, 'all')
      paths.add(path, header.linkname ?? '')
      return base
    case 'link':
      if (whiteouts.kind === 'apply') whiteouts.remove(path, 'all')
      return { ...base, linkname: addHardLink(path, header.linkname ?? '', paths) }
    case 'directory':
      if (whiteouts.kind === 'apply') whiteouts.remove(path, 'unless-folder')
      paths.add(path)
      folders.set(path, base)
      return base
    case 'file':
    case 'contiguous-file':
    case 'character-device':
    case 'block-device':
    case 'fifo':
      if (whiteouts.kind === 'apply') whiteouts.remove(path, 'all')
      paths.add(path)
      return base.type === 'contiguous-file' ? { ...base, type: 'file' } : base
    default:
      throw hostile(header.name, `is a ${String(header.type)}`)
  }
}

/** A hard link to a symbolic one is a symbolic link as well. */
function addHardLink(path: string, linkname: string, paths: LayerPaths): string {
  const target = paths.resolve(linkname)
  paths.add(path, paths.linkAt(target))
  return target
}

function rewriteWhiteout(path: string, { paths, whiteouts, folders }: Rewriting): Made | undefined {
  const folder = dirname(path) === '.' ? '' : dirname(path)
  const name = basename(path)
  if (name === opaque) {
    if (whiteouts.kind === 'apply') {
      whiteouts.remove(folder, 'inside')
      return undefined
    }
    paths.add(folder)
    const made: Made = folders.get(folder) ?? { name: `${folder || '.'}/`, type: 'directory', mode: 0o755 }
    return { ...made, pax: { ...(made.pax as object | undefined), [opaqueAttribute]: 'y' } }
  }
  const hidden = name.slice(whiteout.length)
  if (hidden === '' || hidden === '.' || hidden === '..' || hidden.startsWith(whiteout)) return undefined
  const target = folder === '' ? hidden : `${folder}/${hidden}`
  if (whiteouts.kind === 'apply') {
    whiteouts.remove(target, 'all')
    return undefined
  }
  paths.add(target)
  return { name: target, type: 'character-device', mode: 0, devmajor: 0, devminor: 0, uid: 0, gid: 0 }
}

/** Attributes that mean something inside of a container; those of overlayfs are ours alone. */
function attributesOf({ pax }: Header): Readonly<Record<string, unknown>> {
  const kept = Object.entries(pax ?? {}).filter(([name]) =>
    /^SCHILY\.xattr\.(security\.capability|user\.(?!overlay\.))/.test(name),
  )
  return Object.fromEntries(kept)
}

function runTar(target: string, archive: Pack, signal: AbortSignal): Promise<void> {
  const isRoot = process.getuid?.() === 0
  const arguments_ = [
    '--extract',
    '--file',
    '-',
    '--directory',
    target,
    '--preserve-permissions',
    '--numeric-owner',
    '--delay-directory-restore',
    canGiveFiles() ? '--same-owner' : '--no-same-owner',
    ...(isRoot ? ['--xattrs', '--xattrs-include=*'] : []),
  ]
  const child = spawn('tar', arguments_, { stdio: ['pipe', 'ignore', 'pipe'], signal })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-4_000)
  })
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve()
      else reject(new CriFailure('INTERNAL', `tar cannot unpack: ${said.trim() || `it ended with ${code}`}`))
    })
  })
  // When tar ends early, why it did is more than that nobody reads any more.
  const feeding = pipeline(archive, child.stdin).catch(() => ended)
  return Promise.all([feeding, ended]).then(() => undefined)
}

function explain(error: unknown, { digest }: Descriptor): unknown {
  if (error instanceof CriFailure && !noSpace.test(error.message)) return error
  const { code, message, name } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || noSpace.test(message)) {
    return new CriFailure(
      'RESOURCE_EXHAUSTED',
      `there is no space to unpack ${digest}; free some, as with pratique rmi`,
    )
  }
  if (name === 'AbortError') return new CriFailure('CANCELLED', `unpacking ${digest} was cancelled`)
  if (code === 'ENOENT') {
    return new CriFailure('FAILED_PRECONDITION', 'there is no tar on this node; install it (package tar)')
  }
  return new CriFailure(
    'DATA_LOSS',
    `the layer ${digest} is broken: ${message}; remove the image and pull it again`,
  )
}
