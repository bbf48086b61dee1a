import type { Digest } from '../../kernel/digest.ts'

/** How far a pull is. */
export interface PullProgress {
  readonly digest: Digest
  /** Bytes of this blob that are here. */
  readonly doneBytes: number
  readonly totalBytes: number
  readonly state: 'waiting' | 'fetching' | 'verifying' | 'unpacking' | 'done' | 'present'
}

export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly annotations?: Readonly<Record<string, string>>
}

/** image-spec, "OCI Image Configuration": what a runtime reads of it. */
export interface ImageConfig {
  readonly architecture?: string
  readonly os?: string
  readonly config?: {
    readonly User?: string
    readonly ExposedPorts?: Readonly<Record<string, unknown>>
    readonly Env?: readonly string[]
    readonly Entrypoint?: readonly string[]
    readonly Cmd?: readonly string[]
    readonly Volumes?: Readonly<Record<string, unknown>>
    readonly WorkingDir?: string
    readonly Labels?: Readonly<Record<string, string>>
    readonly StopSignal?: string
  }
  readonly rootfs?: { readonly type: string; readonly diff_ids: readonly Digest[] }
}

/** An image that is here in full, every blob of it verified. */
export interface StoredImage {
  /** Digest of the config: the image id of the CRI. */
  readonly id: Digest
  /** Digest of the manifest of the platform. */
  readonly digest: Digest
  /** `host/repository@digest` and `host/repository:tag`, as they were asked for. */
  readonly references: readonly string[]
  readonly mediaType: string
  readonly artifactType: string | undefined
  readonly configDescriptor: Descriptor
  readonly layers: readonly Descriptor[]
  readonly annotations: Readonly<Record<string, string>>
  /** What the config says; of a Wasm artifact, which is no image config, an empty object. */
  readonly config: ImageConfig
  /** Config and layers, as they are stored. */
  readonly sizeBytes: number
}

export interface PullRequest {
  /** `host/repository@sha256:…`; a tag is never pulled. It may name an index: the platform's image is taken. */
  readonly reference: string
  readonly credentials?: { readonly username: string; readonly password: string } | undefined
  /** The first that the index has is taken; this machine's, and `wasi/wasm`, when not given. */
  readonly platforms?: readonly string[]
}

export interface PullOptions {
  readonly signal: AbortSignal
  readonly progress?: (progress: PullProgress) => void
}

/** Images and their blobs on this node, in a folder. Survives being killed at any point; two pulls of one are one. */
export interface ContentStore {
  readonly pull: (request: PullRequest, options: PullOptions) => Promise<StoredImage>
  /** By image id (whole, or its first hex digits when they are unique), manifest digest or reference. */
  readonly find: (name: string) => StoredImage | undefined
  readonly list: () => readonly StoredImage[]
  /** Takes a reference away, or with an id or digest all; blobs that nothing names are deleted. */
  readonly remove: (name: string) => Promise<void>
  /** The file of a verified blob. */
  readonly blobFile: (digest: Digest) => string
  readonly usage: () => Promise<{ readonly usedBytes: number; readonly inodes: number }>
}

/** Root file systems: overlayfs over unpacked layers that containers share. Survives being killed at any point. */
export interface Snapshots {
  /** Mounts the image for one container and gives the path. Unpacks layers that are not there yet. */
  readonly prepare: (image: StoredImage, key: string, options: PullOptions) => Promise<string>
  /** As `prepare`, of an image that is mounted into that container; they are numbered. Goes with the key. */
  readonly prepareVolume: (
    image: StoredImage,
    key: string,
    volume: number,
    options: PullOptions,
  ) => Promise<string>
  /** Unmounts and deletes what belongs to the key; does nothing when there is nothing. */
  readonly remove: (key: string) => Promise<void>
  /** Keys of what is there, mounted or not. */
  readonly list: () => Promise<readonly string[]>
  /** Bytes and inodes of the writable layer. */
  readonly usage: (key: string) => Promise<{ readonly usedBytes: number; readonly inodes: number }>
  /** Deletes unpacked layers that no image of the store and no key needs. */
  readonly prune: (images: readonly StoredImage[]) => Promise<void>
}
