import type { Inventory } from '../types.ts'

/** A file, or a part of it: first and last byte, both included. */
export interface FileBytes {
  readonly file: string
  readonly first?: number
  readonly last?: number
}

/** Where the bytes of a layer are; a folder is the root itself. */
export type LayerBytes = FileBytes | { readonly folder: string }

/** A layer to be read. */
export interface LayerTask {
  readonly digest: string
  readonly mediaType: string
  readonly bytes: LayerBytes
  /** The bytes are known to have the digest; otherwise that is checked first. */
  readonly isVerified?: boolean
  /** What the config says that the layer unpacks to; it is checked. */
  readonly diffId?: string
  readonly instruction?: string
}

/** What the scanning process is given. */
export interface ScanTask {
  /** The lowest first. */
  readonly layers: readonly LayerTask[]
  /** Where what was read of layers is kept for the next image; not kept without one. */
  readonly cacheFolder?: string
}

export type ScanAnswer = { readonly inventory: Inventory } | { readonly error: string }
