/** The operating system of an image, from its os-release file. */
export interface OperatingSystem {
  /** `ID`: `debian`, `alpine`, … */
  readonly id: string
  /** `VERSION_ID`, as written; empty when the release has none. */
  readonly versionId: string
  readonly prettyName: string
}

/** Types of package URLs (purl-spec, "Known types"). `generic`: a program known by its own bytes. */
export const packageTypes = [
  'deb',
  'apk',
  'rpm',
  'npm',
  'pypi',
  'maven',
  'golang',
  'cargo',
  'gem',
  'composer',
  'nuget',
  'generic',
] as const
export type PackageType = (typeof packageTypes)[number]

/** Packages of distributions: matched with the distribution's advisories only. */
export const systemPackageTypes: readonly PackageType[] = ['deb', 'apk', 'rpm']

/** A package that the topmost view of the image's files has. */
export interface InstalledPackage {
  readonly type: PackageType
  readonly name: string
  readonly version: string
  /** Source package (deb) or origin (apk), when it differs from the name or version. */
  readonly sourceName?: string
  readonly sourceVersion?: string
  readonly architecture?: string
  /** rpm: the module stream that it was built for, `nodejs:18:…` (`MODULARITYLABEL`). */
  readonly module?: string
  /** Who packaged it, where the package says so: tells a third party's from the distribution's. */
  readonly vendor?: string
  /** Package URL (purl-spec). */
  readonly purl: string
  /** The file that says so, without a leading slash; `outer.jar!/inner.jar` for one inside an archive. */
  readonly path: string
  /** Index into `Inventory.layers` of the layer that brought it. */
  readonly layer: number
}

/** A package that a layer brought and a later one took away: it does not run, but its bytes are pulled. */
export interface RemovedPackage extends InstalledPackage {
  /** Index into `Inventory.layers` of the layer that removed or replaced it. */
  readonly removedIn: number
}

/** A file that should have told of packages and could not be read. */
export interface UnknownFile {
  readonly path: string
  readonly reason: string
  /** It lists what the system has installed: without it nothing is known of most of the image. */
  readonly isDatabase?: true
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
  readonly removed?: readonly RemovedPackage[]
}

/** What the source says about a fix; `unknown` where it says nothing. */
export const fixStates = ['fixed', 'unfixed', 'deferred', 'will-not-fix', 'end-of-life', 'unknown'] as const
export type FixState = (typeof fixStates)[number]

/** Exploit Prediction Scoring System (FIRST): both 0 to 1. */
export interface Epss {
  readonly probability: number
  readonly percentile: number
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
  readonly fixState: FixState
  readonly epss?: Epss
  /** In CISA's catalogue of known exploited vulnerabilities, since this day (`2024-03-30`). */
  readonly exploitedSince?: string
  readonly purl: string
  readonly path: string
  /** Index into `Inventory.layers`, and the digest of that layer. */
  readonly layer: number
  readonly layerDigest: string
  readonly instruction?: string
  /** Digest and instruction of the later layer that removed the package; such a finding does not count. */
  readonly removedBy?: { readonly layerDigest: string; readonly instruction?: string }
  /** Which advisory source said so, such as `debian-12.osv`. */
  readonly source: string
  /** Name and version of the approved base (`node:1.4.2`) whose layer brought the package. */
  readonly base?: string
  /** What people, or a trusted VEX document, say of it; set where findings are judged, never stored. */
  readonly exception?: FindingException
}

/** Why a finding is looked at differently. */
export interface FindingException {
  /** Of the exception, or `vex:` and the digest of the attestation. */
  readonly id: string
  /** VEX status; `affected` is a risk that was accepted, `under_investigation` leaves the finding counting. */
  readonly status: 'not_affected' | 'affected' | 'fixed' | 'under_investigation'
  readonly justification?: string
  readonly reason: string
  /** Milliseconds since 1970 at which it ends. */
  readonly until?: number
  readonly approvedBy: string
  /** True: the finding no longer counts. */
  readonly isSuppressed: boolean
}

/** Why no advisory source speaks for a package: what is not covered is never clean. */
export interface CoverageGap {
  /** `Debian:13`, `Go`, `npm`, … */
  readonly ecosystem: string
  readonly packages: number
  /** The day on which the release's security support ended, where that is past. */
  readonly endOfLife?: string
}

/** Which source of which date spoke for the packages of an ecosystem. */
export interface Coverage {
  readonly ecosystem: string
  readonly packages: number
  readonly source: string
  /** Milliseconds since 1970; absent where the source carries no dates. */
  readonly builtAt?: number
  /** Milliseconds since 1970 at which its feed last said that this is the newest; absent for files. */
  readonly checkedAt?: number
  /** The day on which the release's security support ended, where that is past: no source says all any more. */
  readonly endOfLife?: string
}

/** What an inventory matched in one version of the vulnerability database. */
export interface FindingReport {
  readonly databaseVersion: string
  /** Milliseconds since 1970 at which the newest source of the database was made. */
  readonly databaseBuiltAt: number
  readonly findings: readonly Finding[]
  readonly gaps: readonly CoverageGap[]
  readonly coverage: readonly Coverage[]
}
