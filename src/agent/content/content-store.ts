import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { hexOf, parseDigest, type Digest } from '../../kernel/digest.ts'
import { RegistryDoor, RemoteFailure, RemoteRepository } from '../../registry/offline.ts'
import { parseImageName } from '../clearance/parse-image-name.ts'
import { CriFailure } from '../cri/failures.ts'
import { fetchBlob } from './fetch-blob.ts'
import { choosePlatform, isIndex, readManifest } from './read-manifest.ts'
import type { ContentStore, Descriptor, ImageConfig, PullOptions, PullRequest, StoredImage } from './types.ts'

const maximumConfigBytes = 8 * 1024 * 1024
/** Layers that are fetched at the same time. */
const concurrency = 3

export interface ContentStoreOptions {
  /** URL of a registry, where that is not what its name says. */
  readonly serverOf?: (host: string) => string | undefined
  /** `os/architecture`; this machine's and those of Wasm when not given. */
  readonly platforms?: readonly string[]
}

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

/** What this machine runs, and Wasm, which runs everywhere. */
export const localPlatforms: readonly string[] = [
  `linux/${architectures[process.arch] ?? process.arch}`,
  'wasi/wasm',
  'wasip1/wasm',
]

/** Opens the images of a folder, which is made. What a pull that was killed left is taken away. */
export function openContentStore(folder: string, options: ContentStoreOptions = {}): ContentStore {
  return new Store(folder, options)
}

class Store implements ContentStore {
  readonly #folder: string
  readonly #options: ContentStoreOptions
  readonly #images = new Map<Digest, StoredImage>()
  readonly #pulling = new Map<string, Promise<StoredImage>>()

  constructor(folder: string, options: ContentStoreOptions) {
    this.#folder = folder
    this.#options = options
    for (const part of ['blobs', 'images']) mkdirSync(join(folder, part), { recursive: true, mode: 0o700 })
    rmSync(join(folder, 'ingest'), { recursive: true, force: true })
    mkdirSync(join(folder, 'ingest'), { mode: 0o700 })
    for (const file of readdirSync(join(folder, 'images'))) this.#read(file)
    this.#sweep()
  }

  readonly list = (): readonly StoredImage[] => [...this.#images.values()]

  readonly blobFile = (digest: Digest): string => join(this.#folder, 'blobs', hexOf(digest))

  readonly find = (name: string): StoredImage | undefined => {
    const hex = name.replace(/^sha256:/, '')
    const all = this.list()
    if (/^[0-9a-f]{4,64}$/.test(hex)) {
      const found = all.filter(({ id, digest }) => hexOf(id).startsWith(hex) || hexOf(digest) === hex)
      if (found.length === 1) return found[0]
    }
    return all.find(({ references }) => references.includes(name))
  }

  readonly pull = (request: PullRequest, options: PullOptions): Promise<StoredImage> => {
    const { reference } = request
    const running = this.#pulling.get(reference)
    if (running) return running
    const pull = this.#pull(request, options).finally(() => this.#pulling.delete(reference))
    this.#pulling.set(reference, pull)
    return pull
  }

  readonly remove = async (name: string): Promise<void> => {
    const image = this.find(name)
    if (!image) return
    const references = image.references.filter((one) => one !== name)
    if (references.length > 0 && references.length < image.references.length) {
      this.#save({ ...image, references })
      return
    }
    this.#images.delete(image.id)
    await rm(this.#recordFile(image.id), { force: true })
    this.#sweep()
  }

  readonly usage = async (): Promise<{ usedBytes: number; inodes: number }> => {
    const sizes = readdirSync(join(this.#folder, 'blobs')).map(
      (file) => statSync(join(this.#folder, 'blobs', file), { throwIfNoEntry: false })?.size ?? 0,
    )
    return { usedBytes: sizes.reduce((sum, size) => sum + size, 0), inodes: sizes.length }
  }

  async #pull(
    { reference, credentials, platforms }: PullRequest,
    options: PullOptions,
  ): Promise<StoredImage> {
    const { host, repository, digest } = parseImageName(reference)
    if (!digest) throw new CriFailure('INVALID_ARGUMENT', `${reference} is pulled by its digest only`)
    const server = this.#options.serverOf?.(host)
    const door = {
      ...(server ? { server } : {}),
      ...(credentials ? { credentials } : {}),
      signal: options.signal,
    }
    try {
      const remote = await RemoteRepository.open(host, repository, door)
      const wanted = platforms ?? this.#options.platforms ?? localPlatforms
      const found = await findImageManifest(remote, digest, wanted)
      const manifest = readManifest(found.bytes, found.digest)
      const config = await remote.findBlob(manifest.config.digest, maximumConfigBytes)
      if (!config) throw new CriFailure('NOT_FOUND', `the registry has no config ${manifest.config.digest}`)
      this.#writeBlob(manifest.config.digest, config)
      await this.#fetchAll(await RegistryDoor.open(host, repository, door), manifest.layers, options)
      const parsed = readConfig(config)
      // A config stands for an image only where it binds the layers: two artifacts may share theirs.
      const isBound =
        parsed.rootfs?.diff_ids.length === manifest.layers.length &&
        manifest.layers.every(({ mediaType }) => mediaType.includes('tar'))
      const id = isBound ? manifest.config.digest : found.digest
      const before = this.#images.get(id)
      return this.#save({
        id,
        digest: found.digest,
        references: [...new Set([...(before?.references ?? []), reference])],
        mediaType: found.mediaType,
        artifactType: manifest.artifactType,
        configDescriptor: manifest.config,
        layers: manifest.layers,
        annotations: manifest.annotations,
        config: parsed,
        sizeBytes: manifest.layers.reduce((sum, { size }) => sum + size, manifest.config.size),
      })
    } catch (error) {
      throw explain(error, reference)
    }
  }

  async #fetchAll(door: RegistryDoor, layers: readonly Descriptor[], options: PullOptions): Promise<void> {
    const waiting = [...new Map(layers.map((layer) => [layer.digest, layer])).values()]
    for (const { digest, size } of waiting) {
      options.progress?.({ digest, doneBytes: 0, totalBytes: size, state: 'waiting' })
    }
    const controller = new AbortController()
    const signal = AbortSignal.any([options.signal, controller.signal])
    const work = async (): Promise<void> => {
      for (let layer = waiting.shift(); layer; layer = waiting.shift()) {
        const { digest, size } = layer
        if (existsSync(this.blobFile(digest))) {
          options.progress?.({ digest, doneBytes: size, totalBytes: size, state: 'present' })
          continue
        }
        const place = { temporary: join(this.#folder, 'ingest', randomUUID()), target: this.blobFile(digest) }
        await fetchBlob(door, layer, place, { ...options, signal })
      }
    }
    try {
      await Promise.all(Array.from({ length: concurrency }, work))
    } finally {
      controller.abort()
    }
  }

  #writeBlob(digest: Digest, bytes: Buffer): void {
    const temporary = join(this.#folder, 'ingest', randomUUID())
    writeFileSync(temporary, bytes, { flush: true })
    renameSync(temporary, this.blobFile(digest))
  }

  #save(image: StoredImage): StoredImage {
    const path = this.#recordFile(image.id)
    writeFileSync(`${path}.new`, JSON.stringify(image), { flush: true })
    renameSync(`${path}.new`, path)
    this.#images.set(image.id, image)
    return image
  }

  #recordFile(id: Digest): string {
    return join(this.#folder, 'images', `${hexOf(id)}.json`)
  }

  /** An image is there when all of it is: a record whose blobs are gone is none. */
  #read(file: string): void {
    const path = join(this.#folder, 'images', file)
    try {
      const image = JSON.parse(readFileSync(path, 'utf8')) as StoredImage
      parseDigest(image.id)
      if (this.#recordFile(image.id) !== path) throw new Error('it is about another image')
      const blobs = [image.configDescriptor, ...image.layers]
      if (!blobs.every(({ digest }) => existsSync(this.blobFile(digest))))
        throw new Error('a blob is missing')
      this.#images.set(image.id, image)
    } catch {
      rmSync(path, { force: true })
    }
  }

  /** Deletes blobs that no image names. Nothing is being pulled into them under their names without an image. */
  #sweep(): void {
    if (this.#pulling.size > 0) return
    const needed = new Set(
      this.list().flatMap(({ configDescriptor, layers }) =>
        [configDescriptor, ...layers].map(({ digest }) => hexOf(digest)),
      ),
    )
    for (const file of readdirSync(join(this.#folder, 'blobs'))) {
      if (!needed.has(file)) rmSync(join(this.#folder, 'blobs', file), { force: true })
    }
  }
}

async function findImageManifest(remote: RemoteRepository, digest: Digest, platforms: readonly string[]) {
  const get = async (one: Digest) => {
    const found = await remote.findManifest(one)
    if (found) return found
    throw new CriFailure('NOT_FOUND', `${remote.host} has no ${remote.name}@${one}`)
  }
  const found = await get(digest)
  return isIndex(found.mediaType) ? get(choosePlatform(found.bytes, digest, platforms)) : found
}

/** What is no image config, as that of a Wasm artifact, says nothing of how it is run. */
function readConfig(bytes: Buffer): ImageConfig {
  try {
    return (JSON.parse(bytes.toString()) ?? {}) as ImageConfig
  } catch {
    return {}
  }
}

function explain(error: unknown, reference: string): unknown {
  if (!(error instanceof RemoteFailure)) return error
  const { status, message } = error
  if (status === 401 || status === 403) return new CriFailure('PERMISSION_DENIED', `${reference}: ${message}`)
  if (status === 404) return new CriFailure('NOT_FOUND', `${reference}: ${message}`)
  return new CriFailure('UNAVAILABLE', `${reference} cannot be pulled: ${message}`)
}
