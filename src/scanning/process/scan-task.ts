import type { Inventory } from '../types.ts'

/** Where the bytes of a layer are: a file or a part of one, or a folder that is the root itself. */
export type LayerBytes =
  { readonly file: string; readonly first?: number; readonly last?: number } | { readonly folder: string }

/** A layer to be read. */
export interface LayerTask {
  readonly digest: string
  readonly mediaType: string
  readonly bytes: LayerBytes
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
