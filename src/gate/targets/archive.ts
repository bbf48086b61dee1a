import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, open, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Transform, type Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { extract } from 'tar-stream'
import { mediaTypes } from '../../kernel/media-types.ts'
import { normalisePath, runScan, scanLimits, type LayerTask } from '../../scanning/offline.ts'
import { invalid } from './layout-images.ts'
import { openLayout } from './oci-layout.ts'
import type { OpenTarget, TargetKind, TargetOptions } from './types.ts'

const maximumEntries = 20_000
const maximumBytes = 64 * 1024 ** 3
const maximumDocumentBytes = 8 * 1024 * 1024

/** A tar of an OCI image layout, or what `docker save` writes; either may be compressed. */
export const archive: TargetKind = {
  name: 'archive',
  help: 'tar of an OCI layout, or of docker save (also .gz and .zst)',
  async fits(path) {
    return (
      /\.(tar|tar\.gz|tgz|tar\.zst)$/.test(path) &&
      (await stat(path).catch(() => undefined))?.isFile() === true
    )
  },
  async open(location, options) {
    const folder = await mkdtemp(join(tmpdir(), 'pratique-archive-'))
    const close = async (): Promise<void> => rm(folder, { recursive: true, force: true })
    try {
      await unpack(location, folder)
      const isDocker = await stat(join(folder, 'manifest.json')).catch(() => undefined)
      const isLayout = await stat(join(folder, 'oci-layout')).catch(() => undefined)
      // docker save writes both since version 25; the layout says more.
      if (isLayout)
        return { ...(await openLayout(folder, undefined, location, options, close)), kind: 'oci-archive' }
      if (isDocker) return await openDockerArchive(folder, location, options, close)
      throw invalid(`${location} is neither an OCI layout nor what docker save writes`)
    } catch (error) {
      await close()
      throw error
    }
  },
}

/** Unpacks plain files of an archive, inside the folder only. What is left of the way is the way of the names. */
async function unpack(file: string, folder: string): Promise<void> {
  const files = extract()
  const reading = (async () => {
    let entries = 0
    for await (const entry of files) {
      if (++entries > maximumEntries) throw invalid(`${file} has more than ${maximumEntries} entries`)
      const path = normalisePath(entry.header.name)
      if (path === undefined || (entry.header.type ?? 'file') !== 'file') {
        entry.resume()
        continue
      }
      const target = join(folder, path)
      await mkdir(dirname(target), { recursive: true })
      await pipeline(entry, createWriteStream(target, { flags: 'wx', mode: 0o600 }))
    }
  })()
  const stages = [createReadStream(file), ...(await decompressor(file)), limited(file), files]
  try {
    await Promise.all([pipeline(stages as unknown as [Readable, Writable]), reading])
  } catch (error) {
    throw invalid(`${file} cannot be unpacked: ${(error as Error).message}`, error)
  }
}

async function decompressor(file: string): Promise<Transform[]> {
  const handle = await open(file).catch((error: Error) => {
    throw invalid(`${file} cannot be opened: ${error.message}`, error)
  })
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0)
    const magic = buffer.subarray(0, bytesRead).toString('hex')
    if (magic.startsWith('1f8b')) return [createGunzip()]
    return magic === '28b52ffd' ? [createZstdDecompress()] : []
  } finally {
    await handle.close()
  }
}

function limited(file: string): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > maximumBytes) done(invalid(`${file} unpacks to more than ${maximumBytes} bytes`))
      else done(null, chunk)
    },
  })
}

interface SavedImage {
  readonly Config?: string
  readonly RepoTags?: readonly string[] | null
  readonly Layers?: readonly string[]
}

/** What `docker save` writes: `manifest.json` names the config and the layers, each a plain tar. */
async function openDockerArchive(
  folder: string,
  name: string,
  options: TargetOptions,
  close: () => Promise<void>,
): Promise<OpenTarget> {
  const saved = await readJson(folder, 'manifest.json')
  const [image, ...others] = (Array.isArray(saved) ? saved : []) as readonly SavedImage[]
  if (!image || others.length > 0)
    throw invalid(`${name} has ${others.length + 1} images; save one at a time`)
  const config = (await readJson(folder, image.Config ?? '')) as {
    os?: string
    architecture?: string
    rootfs?: { diff_ids?: readonly string[] }
    history?: readonly { created_by?: string; empty_layer?: boolean }[]
  }
  const instructions = (config.history ?? []).filter((entry) => !entry.empty_layer)
  const layers = await Promise.all(
    (image.Layers ?? []).map(async (path, index): Promise<LayerTask> => {
      const file = inside(folder, path)
      const mediaType = await mediaTypeOf(file)
      const diffId = config.rootfs?.diff_ids?.[index]
      const instruction = instructions[index]?.created_by
      return {
        // A layer that is not packed is named by its diff-id, which is checked; a packed one has no name.
        digest: mediaType === mediaTypes.ociLayer && diffId !== undefined ? diffId : path,
        mediaType,
        bytes: { file },
        ...(diffId === undefined ? {} : { diffId }),
        ...(instruction === undefined ? {} : { instruction }),
      }
    }),
  )
  return {
    kind: 'docker-archive',
    name: image.RepoTags?.[0] ?? name,
    images: [
      {
        ...(config.os && config.architecture ? { platform: `${config.os}/${config.architecture}` } : {}),
        readInventory: () =>
          runScan(
            { layers, ...(options.cacheFolder === undefined ? {} : { cacheFolder: options.cacheFolder }) },
            { ...scanLimits, timeoutMs: options.timeoutMs },
          ),
      },
    ],
    close,
  }
}

async function mediaTypeOf(file: string): Promise<string> {
  const [stage] = await decompressor(file)
  if (!stage) return mediaTypes.ociLayer
  return stage.constructor.name === 'Gunzip' ? mediaTypes.ociLayerGzip : mediaTypes.ociLayerZstd
}

function inside(folder: string, path: string): string {
  const normal = normalisePath(path)
  if (normal === undefined) throw invalid(`${JSON.stringify(path)} is no path inside the archive`)
  return join(folder, normal)
}

async function readJson(folder: string, path: string): Promise<unknown> {
  try {
    const file = inside(folder, path)
    if ((await stat(file)).size > maximumDocumentBytes) throw new Error('it is too large')
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw invalid(`${path || 'the config'} in the archive cannot be read: ${(error as Error).message}`, error)
  }
}
