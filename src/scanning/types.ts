/** The operating system of an image, from its os-release file. */
export interface OperatingSystem {
  /** `ID`: `debian`, `alpine`, … */
  readonly id: string
  /** `VERSION_ID`, as written; empty when the release has none. */
  readonly versionId: string
  readonly prettyName: string
}

export const packageTypes = ['deb', 'apk', 'npm', 'pypi', 'golang'] as const
export type PackageType = (typeof packageTypes)[number]

/** A package that the topmost view of the image's files has. */
export interface InstalledPackage {
  readonly type: PackageType
  readonly name: string
  readonly version: string
  /** Source package (deb) or origin (apk), when it differs from the name or version. */
  readonly sourceName?: string
  readonly sourceVersion?: string
  readonly architecture?: string
  /** Package URL (purl-spec). */
  readonly purl: string
  /** The file that says so, without a leading slash. */
  readonly path: string
  /** Index into `Inventory.layers` of the layer that brought it. */
  readonly layer: number
}

/** A file that should have told of packages and could not be read. */
export interface UnknownFile {
  readonly path: string
  readonly reason: string
}

export interface LayerOrigin {
  /** Digest of the layer blob. */
  readonly digest: string
  /** Digest of the uncompressed tar. */
  readonly diffId: string
  /** `created_by` of the history entry that made the layer, when the config tells. */
  readonly instruction?: string
}

/** What an image holds. */
export interface Inventory {
  readonly operatingSystem?: OperatingSystem
  readonly layers: readonly LayerOrigin[]
  readonly packages: readonly InstalledPackage[]
  readonly unknowns: readonly UnknownFile[]
}

export const severities = ['critical', 'high', 'medium', 'low', 'negligible', 'unknown'] as const
export type Severity = (typeof severities)[number]

/** A vulnerability that an installed package has. */
export interface Finding {
  /** The CVE id where one is known, else the advisory's own id. */
  readonly id: string
  readonly aliases: readonly string[]
  readonly severity: Severity
  /** CVSS base score, 0 to 10, when a vector is known. */
  readonly score?: number
  readonly summary: string
  readonly packageType: PackageType
  readonly packageName: string
  readonly installedVersion: string
  /** The lowest version known to mend it that is above the installed one; absent: no fix is known. */
  readonly fixedVersion?: string
  readonly purl: string
  readonly path: string
  readonly layerDigest: string
  readonly instruction?: string
  /** Which advisory source said so, such as `debian-12.osv`. */
  readonly source: string
}

/** Why no advisory source speaks for a package: what is not covered is never clean. */
export interface CoverageGap {
  /** `Debian:13`, `Go`, `npm`, … */
  readonly ecosystem: string
  readonly packages: number
}

/** What an inventory matched in one version of the vulnerability database. */
export interface FindingReport {
  readonly databaseVersion: string
  /** Milliseconds since 1970 at which the newest source of the database was made. */
  readonly databaseBuiltAt: number
  readonly findings: readonly Finding[]
  readonly gaps: readonly CoverageGap[]
}
