import { createReadStream, createWriteStream } from 'node:fs'
import { link, lstat, mkdir, open, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { mediaTypes } from '../../kernel/media-types.ts'
import {
  decompress,
  describeLayers,
  isPacked,
  normalisePath,
  readTar,
  runScan,
  scanLimits,
  type LayerConfig,
  type LayerTask,
} from '../../scanning/offline.ts'
import { invalid } from './layout-images.ts'
import { openLayout } from './oci-layout.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'
import type { OpenTarget, TargetImage, TargetKind, TargetOptions } from './types.ts'

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
    const { folder, close } = await makeTemporaryFolder('pratique-archive-')
    try {
      await unpack(location, folder)
      const isDocker = await stat(join(folder, 'manifest.json')).catch(() => undefined)
      const isLayout = await stat(join(folder, 'oci-layout')).catch(() => undefined)
      // docker save writes both since version 25; the layout says more.
      if (isLayout) {
        const opened = await openLayout(folder, undefined, location, options, close)
        if (isDocker && options.platform === undefined) await checkSaved(folder, opened.images)
        return { ...opened, kind: 'oci-archive' }
      }
      if (isDocker) return await openDockerArchive(folder, location, options, close)
      throw invalid(`${location} is neither an OCI layout nor what docker save writes`)
    } catch (error) {
      await close()
      throw error
    }
  },
}

/**
 * Unpacks plain files of an archive, inside the folder only, and links to them: old versions of docker save
 * write a layer that is there twice as a link to the first.
 */
async function unpack(file: string, folder: string): Promise<void> {
  const links: [string, string][] = []
  try {
    await pipeline(createReadStream(file), decompress, limited(file), async (tar: AsyncIterable<Buffer>) => {
      let entries = 0
      for await (const entry of readTar(tar)) {
        const { name, type, target } = entry
        if (++entries > maximumEntries) throw invalid(`it has more than ${maximumEntries} entries`)
        const path = normalisePath(name)
        if (path === undefined) continue
        if (type === 'symlink') links.push([path, join('/', dirname(path), target)])
        if (type === 'link') links.push([path, target])
        if (type !== 'file') continue
        await mkdir(dirname(join(folder, path)), { recursive: true })
        await pipeline(entry.content(), createWriteStream(join(folder, path), { flags: 'wx', mode: 0o600 }))
      }
    })
    for (const [path, target] of links) await makeLink(folder, path, target)
  } catch (error) {
    throw invalid(`${file} cannot be unpacked: ${(error as Error).message}`, error)
  }
}

/** A second name for a file that was unpacked; a link to anything else leads nowhere. */
async function makeLink(folder: string, path: string, target: string): Promise<void> {
  const file = inside(folder, target)
  if (!(await lstat(file).catch(() => undefined))?.isFile()) return
  await mkdir(dirname(join(folder, path)), { recursive: true })
  await link(file, join(folder, path))
}

function limited(file: string) {
  return async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
    let bytes = 0
    for await (const chunk of chunks) {
      bytes += chunk.length
      if (bytes > maximumBytes) throw invalid(`${file} unpacks to more than ${maximumBytes} bytes`)
      yield chunk
    }
  }
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
  } & LayerConfig
  const files = (image.Layers ?? []).map((path) => ({ digest: path, mediaType: mediaTypes.ociLayer }))
  const layers = async (): Promise<LayerTask[]> =>
    Promise.all(
      describeLayers(files, config, mediaTypes.dockerConfig).map(async (layer) => {
        const file = inside(folder, layer.digest)
        // A layer that is not packed is named by its diff-id, which is checked; a packed one has no name.
        const digest = (await isPackedFile(file)) ? layer.digest : (layer.diffId ?? layer.digest)
        return { ...layer, digest, bytes: { file } }
      }),
    )
  return {
    kind: 'docker-archive',
    name: image.RepoTags?.[0] ?? name,
    images: [
      {
        ...(config.os && config.architecture ? { platform: `${config.os}/${config.architecture}` } : {}),
        readInventory: async () =>
          runScan(
            {
              layers: await layers(),
              ...(options.cacheFolder === undefined ? {} : { cacheFolder: options.cacheFolder }),
            },
            { ...scanLimits, timeoutMs: options.timeoutMs },
          ),
      },
    ],
    close,
  }
}

/** What docker would load of an archive in both forms has to be in the layout that was looked at. */
async function checkSaved(folder: string, images: readonly TargetImage[]): Promise<void> {
  const saved = await readJson(folder, 'manifest.json')
  for (const { Config = '' } of (Array.isArray(saved) ? saved : []) as readonly SavedImage[]) {
    const digest = Config.replace(/^blobs\/(\w+)\//, '$1:')
    if (images.some(({ config }) => config === digest)) continue
    throw invalid(`manifest.json in the archive names an image that its layout does not have: ${Config}`)
  }
}

async function isPackedFile(file: string): Promise<boolean> {
  const handle = await open(file).catch((error: Error) => {
    throw invalid(`${file} cannot be opened: ${error.message}`, error)
  })
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0)
    return isPacked(buffer.subarray(0, bytesRead))
  } finally {
    await handle.close()
  }
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
