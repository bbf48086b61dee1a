import type { Inventory } from '../../scanning/offline.ts'

/** One image of a target. */
export interface TargetImage {
  readonly digest?: string
  /** Digest of its config, which names all that is in it. */
  readonly config?: string
  /** `linux/arm64/v8`. */
  readonly platform?: string
  /** Reads it. Throws SCAN_FAILED for what cannot be scanned. */
  readInventory(): Promise<Inventory>
}

/** Something to be scanned, open until it is closed. */
export interface OpenTarget {
  readonly kind: string
  readonly name: string
  /** One, or one a platform of an index. Never none. */
  readonly images: readonly TargetImage[]
  /** Removes what was put aside to read it. */
  close(): Promise<void>
}

export interface TargetOptions {
  /** Only this platform of an index: `linux/amd64`. */
  readonly platform?: string
  /** Where what was read of layers is kept for the next scan. */
  readonly cacheFolder?: string
  readonly timeoutMs: number
}

/** A kind of thing that can be scanned. */
export interface TargetKind {
  /** Said in front to name it for sure: `oci-archive:FILE`. */
  readonly name: string
  readonly help: string
  /** True when a path without a kind in front is this. Asked in the order of the list. */
  fits(path: string): Promise<boolean>
  /** Opens it. Throws TARGET_INVALID when it is not what it should be. */
  open(location: string, options: TargetOptions): Promise<OpenTarget>
}
