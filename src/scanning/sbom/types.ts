import type { InstalledPackage, Inventory, OperatingSystem } from '../types.ts'

/** What an SBOM is about. */
export interface SbomSubject {
  /** Reference, path or digest: what people call it. */
  readonly name: string
  readonly digest?: string
  /** Stands in formats that ask for a time; the same for the same image, or the bytes are not. */
  readonly createdAt?: Date
}

/** A format that an inventory can be written in. */
export interface SbomFormat {
  readonly name: string
  readonly mediaType: string
  /** The same subject and inventory always give the same bytes. */
  write(subject: SbomSubject, inventory: Inventory): Promise<Buffer>
}

/** A package as an SBOM of anybody's tells of it. */
export interface SbomPackage extends Omit<InstalledPackage, 'layer'> {
  readonly layerDigest?: string
  readonly diffId?: string
}

/** What was read from an SBOM. */
export interface ReadSbom {
  readonly format: 'cyclonedx' | 'spdx'
  readonly specVersion: string
  /** What it describes, in its own words; empty when it does not say. */
  readonly name: string
  readonly packages: readonly SbomPackage[]
  readonly operatingSystem?: OperatingSystem
  /** What was left out, and why: each is a reason not to call the result complete. */
  readonly notes: readonly string[]
}
