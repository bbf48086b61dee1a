import type { OperatingSystem, PackageType } from '../types.ts'

/** A package as a file tells of it, before the image as a whole is known. */
export interface FoundPackage {
  readonly type: PackageType
  readonly name: string
  readonly version: string
  readonly sourceName?: string
  readonly sourceVersion?: string
  readonly architecture?: string
}

/** What one file tells. */
export interface FileFacts {
  readonly packages?: readonly FoundPackage[]
  readonly operatingSystem?: OperatingSystem
  /** Paths that the operating system's packages own, without a leading slash. */
  readonly ownedFiles?: readonly string[]
  /** Why the file could not be read, though it should have been. */
  readonly unknown?: string
}

/** Reads one kind of file. Must not throw for any content: what it cannot read it reports as unknown. */
export interface Cataloger {
  readonly name: string
  /** Largest file that is read, in bytes; a larger one is reported as unknown. */
  readonly maximumBytes: number
  wants(path: string): boolean
  read(path: string, content: Buffer): FileFacts
}
