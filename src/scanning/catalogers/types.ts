import type { OperatingSystem, PackageType } from '../types.ts'

/** A package as a file tells of it, before the image as a whole is known. */
export interface FoundPackage {
  readonly type: PackageType
  /** As the ecosystem's advisories name it: `@scope/name`, `group:artifact`, `vendor/package`. */
  readonly name: string
  readonly version: string
  readonly sourceName?: string
  readonly sourceVersion?: string
  readonly architecture?: string
  readonly module?: string
  readonly vendor?: string
  /** Path inside the file, for archives in archives: `BOOT-INF/lib/inner.jar`. */
  readonly inside?: string
}

/** What one file tells. */
export interface FileFacts {
  readonly packages?: readonly FoundPackage[]
  readonly operatingSystem?: OperatingSystem
  /** Paths that the operating system's packages own, without a leading slash. */
  readonly ownedFiles?: readonly string[]
  /**
   * Beginnings of paths: the file counts only where no other file whose path begins so has packages. A lock file
   * tells of what is installed only where nothing better does.
   */
  readonly onlyWithout?: readonly string[]
  /** A hard link: the path whose content this is. Set by whoever reads the layer. */
  readonly linkTo?: string
  /** Why the file, or a part of it, could not be read, though it should have been. */
  readonly unknown?: string
}

/** The content of one file, wherever it is held. Reads are cheap and may go back and forth. */
export interface FileContent {
  readonly sizeBytes: number
  /** Bytes `at` to `at + length`; fewer at the end of the file. The buffer is only good until the next read. */
  read(at: number, length: number): Buffer
  /** The whole file. */
  bytes(): Buffer
  /** The whole file as UTF-8. */
  text(): string
}

/** Reads one kind of file. Must not throw for any content: what it cannot read it reports as unknown. */
export interface Cataloger {
  readonly name: string
  /** Largest file that is read, in bytes; a larger one is reported as unknown. */
  readonly maximumBytes: number
  /** By its path without a leading slash, and by its first bytes (up to 64; fewer in shorter files). */
  wants(path: string, head: Buffer): boolean
  read(path: string, file: FileContent): FileFacts | Promise<FileFacts>
}
