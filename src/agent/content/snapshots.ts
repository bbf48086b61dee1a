import { execFile } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { createHash, randomUUID } from 'node:crypto'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { CriFailure } from '../cri/failures.ts'
import { idMapping, userNamespace } from '../rootless/user-namespace.ts'
import { hostile } from './layer-paths.ts'
import { unpackLayer, type Removal, type Whiteouts } from './unpack-layer.ts'
import type { ContentStore, PullOptions, Snapshots, StoredImage } from './types.ts'

const run = promisify(execFile)

/** 162 bits of a digest: nobody makes two that are alike, and 127 of them fit in the options of a mount. */
const nameLength = 27

/** How root file systems are made: `overlay` where the kernel lets this user mount, else a copy of all files. */
export type SnapshotKind = 'overlay' | 'copy'

/**
 * Root file systems of containers in a folder: `layers/` unpacked once for each chain of layers, `mounts/KEY/` with
 * what belongs to one container. What was half made when the machine stopped is taken away.
 */
export function openSnapshots(
  folder: string,
  store: Pick<ContentStore, 'blobFile'>,
  kind: SnapshotKind = process.getuid?.() === 0 ? 'overlay' : 'copy',
): Snapshots & { readonly kind: SnapshotKind } {
  for (const part of ['layers', 'mounts']) mkdirSync(join(folder, part), { recursive: true, mode: 0o711 })
  rmSync(join(folder, 'unpacking'), { recursive: true, force: true })
  mkdirSync(join(folder, 'unpacking'), { mode: 0o700 })
  const snapshots = new FolderSnapshots(folder, store, kind)
  return {
    kind,
    prepare: (image, key, options) => snapshots.prepare(image, key, options),
    prepareVolume: (image, key, volume, options) =>
      snapshots.prepare(image, key, options, `volume-${volume}`),
    remove: (key) => snapshots.remove(key),
    list: async () => readdirSync(join(folder, 'mounts')),
    usage: (key) => snapshots.usage(key),
    prune: async (images) => snapshots.prune(images),
  }
}

class FolderSnapshots {
  readonly #folder: string
  readonly #store: Pick<ContentStore, 'blobFile'>
  readonly #kind: SnapshotKind
  readonly #unpacking = new Map<string, Promise<void>>()

  constructor(folder: string, store: Pick<ContentStore, 'blobFile'>, kind: SnapshotKind) {
    this.#folder = folder
    this.#store = store
    this.#kind = kind
  }

  async prepare(image: StoredImage, key: string, options: PullOptions, part = ''): Promise<string> {
    checkKey(key)
    const chain = await this.#unpack(image, options)
    const place = join(this.#folder, 'mounts', key, part)
    // A part may be of something that has no root file system.
    mkdirSync(place, { mode: 0o711, recursive: part !== '' })
    const root = join(place, 'root')
    if (this.#kind === 'copy') {
      const [top] = chain
      await run('cp', ['--archive', '--reflink=auto', join(this.#folder, 'layers', top as string), root])
      return root
    }
    for (const part of ['upper', 'work', 'root']) mkdirSync(join(place, part), { mode: 0o755 })
    await this.#mount(chain, place)
    return root
  }

  async remove(key: string): Promise<void> {
    checkKey(key)
    const place = join(this.#folder, 'mounts', key)
    if (!existsSync(place)) return
    for (const mount of mountsUnder(place)) await run('umount', ['--lazy', mount]).catch(() => {})
    await rm(place, { recursive: true, force: true })
  }

  async usage(key: string): Promise<{ usedBytes: number; inodes: number }> {
    checkKey(key)
    const place = join(this.#folder, 'mounts', key, this.#kind === 'overlay' ? 'upper' : 'root')
    if (!existsSync(place)) return { usedBytes: 0, inodes: 0 }
    const ask = async (...flags: string[]): Promise<number> =>
      Number.parseInt((await run('du', ['--summarize', ...flags, place])).stdout, 10)
    return { usedBytes: await ask('--block-size=1'), inodes: await ask('--inodes') }
  }

  prune(images: readonly StoredImage[]): void {
    if (this.#unpacking.size > 0) return
    const needed = new Set(images.flatMap((image) => this.#chainOf(image)))
    const mounted = readFileSync('/proc/self/mountinfo', 'utf8')
    for (const name of readdirSync(join(this.#folder, 'layers'))) {
      // A container may live longer than the name of its image.
      if (needed.has(name) || mounted.includes(name)) continue
      rmSync(join(this.#folder, 'layers', name), { recursive: true, force: true })
    }
  }

  /** Names of the layers' folders, the topmost first. Of a copy there is one, with all of them in it. */
  #chainOf({ config }: StoredImage): string[] {
    const diffIds = config.rootfs?.diff_ids ?? []
    // Files that were unpacked under other ids belong to others.
    const mapping = idMapping()
    const names = diffIds.map((_, index) => {
      const chain = createHash('sha256').update(diffIds.slice(0, index + 1).join(' ') + mapping)
      return chain.digest('base64url').slice(0, nameLength)
    })
    return this.#kind === 'copy' ? names.slice(-1).map((name) => `all-${name}`) : names.toReversed()
  }

  async #unpack(image: StoredImage, options: PullOptions): Promise<string[]> {
    const diffIds = image.config.rootfs?.diff_ids ?? []
    if (diffIds.length !== image.layers.length || diffIds.length === 0) {
      throw new CriFailure(
        'FAILED_PRECONDITION',
        `the config of ${image.references[0]} speaks of ${diffIds.length} layers, and its manifest of ${image.layers.length}; it is no image that can be run as a container`,
      )
    }
    const chain = this.#chainOf(image)
    if (this.#kind === 'copy') {
      await this.#once(chain[0] as string, (target) => this.#unpackAll(image, target, options))
      return chain
    }
    // The lowest first: each is unpacked with a view of those below.
    for (let index = 0; index < diffIds.length; index++) {
      const names = chain.slice(-(index + 1))
      const below = names.slice(1).map((name) => join(this.#folder, 'layers', name))
      await this.#once(names[0] as string, (target) =>
        this.#unpackOne(image, index, target, { kind: 'overlay', below }, options),
      )
    }
    return chain
  }

  async #unpackAll(image: StoredImage, target: string, options: PullOptions): Promise<void> {
    const root = realpathSync(target)
    const remove = (path: string, what: Removal): void => {
      const place = join(root, path)
      const found = lstatSync(place, { throwIfNoEntry: false })
      if (!found) return
      // Paths are resolved before; what leads out of the root all the same is not to be touched.
      if (path !== '' && !`${realpathSync(dirname(place))}/`.startsWith(`${root}/`))
        throw hostile(path, 'leads out of the root')
      if (what === 'all' || !found.isDirectory()) return rmSync(place, { recursive: true, force: true })
      if (what === 'unless-folder') return
      for (const name of readdirSync(place)) rmSync(join(place, name), { recursive: true, force: true })
    }
    for (let index = 0; index < image.layers.length; index++) {
      await this.#unpackOne(image, index, target, { kind: 'apply', remove }, options)
    }
  }

  async #unpackOne(
    image: StoredImage,
    index: number,
    target: string,
    whiteouts: Whiteouts,
    { signal, progress }: PullOptions,
  ): Promise<void> {
    const layer = image.layers[index] as StoredImage['layers'][number]
    const diffId = image.config.rootfs?.diff_ids[index] as StoredImage['id']
    const { digest, size } = layer
    progress?.({ digest, doneBytes: size, totalBytes: size, state: 'unpacking' })
    await unpackLayer({ file: this.#store.blobFile(digest), layer, diffId, target, whiteouts }, signal)
  }

  /** Makes a folder of layers that is not there, once however many ask, and names it when it is whole. */
  async #once(name: string, make: (target: string) => Promise<void>): Promise<void> {
    const place = join(this.#folder, 'layers', name)
    if (existsSync(place)) return
    const running = this.#unpacking.get(name)
    if (running) return running
    const work = (async () => {
      const target = join(this.#folder, 'unpacking', randomUUID())
      mkdirSync(target, { mode: 0o755 })
      try {
        await make(target)
        renameSync(target, place)
      } catch (error) {
        rmSync(target, { recursive: true, force: true })
        throw error
      }
    })().finally(() => this.#unpacking.delete(name))
    this.#unpacking.set(name, work)
    return work
  }

  async #mount(chain: readonly string[], place: string): Promise<void> {
    const own = userNamespace() ? ',userxattr' : ''
    const options = `lowerdir=${chain.join(':')},upperdir=${place}/upper,workdir=${place}/work${own}`
    try {
      await run('mount', ['--types', 'overlay', 'overlay', '--options', options, join(place, 'root')], {
        // Layers are named by where they are, and the kernel takes a page of options at most.
        cwd: join(this.#folder, 'layers'),
        env: { ...process.env, LIBMOUNT_FORCE_MOUNT2: 'always' },
      })
    } catch (error) {
      throw new CriFailure(
        'FAILED_PRECONDITION',
        `the layers of an image cannot be mounted: ${(error as Error).message.trim()}; see pratique doctor node`,
      )
    }
  }
}

/** Mounts at a folder or below, the deepest first. */
function mountsUnder(folder: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line) => line.split(' ', 5)[4] ?? [])
    .filter((mount) => mount.startsWith(`${folder}/`))
    .toReversed()
}

function checkKey(key: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(key)) {
    throw new CriFailure('INVALID_ARGUMENT', `${JSON.stringify(key)} is no name of a snapshot`)
  }
}
