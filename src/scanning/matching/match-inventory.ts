import type {
  CoverageGap,
  Finding,
  FindingReport,
  InstalledPackage,
  Inventory,
  OperatingSystem,
} from '../types.ts'
import { severities } from '../types.ts'
import { versionOrders, type CompareVersions } from '../versions/index.ts'
import { severityOf } from '../vulndb/cvss.ts'
import type { VulnerabilityDatabase } from '../vulndb/open-vulnerability-database.ts'
import type { AffectedPackage, VersionRange } from '../vulndb/tables.ts'

/**
 * Matches what an image holds against the database, after OSV's evaluation rules: a version is affected when
 * it is listed, or lies in a range. Packages that no source speaks for are gaps, never clean.
 */
export function matchInventory(inventory: Inventory, database: VulnerabilityDatabase): FindingReport {
  const findings = new Map<string, Finding>()
  const gaps = new Map<string, number>()
  for (const installed of inventory.packages) {
    const ecosystem = ecosystemOf(installed, inventory.operatingSystem)
    if (!database.covers(ecosystem)) {
      gaps.set(ecosystem, (gaps.get(ecosystem) ?? 0) + 1)
      continue
    }
    const compare = versionOrders[installed.type]
    const version = versionToMatch(installed)
    for (const affected of database.affecting(ecosystem, nameToMatch(installed))) {
      const match = matchVersion(affected, version, compare)
      if (!match) continue
      const finding = makeFinding(inventory, installed, affected, match.fixed, database)
      const key = `${finding.id} ${finding.purl} ${finding.path}`
      findings.set(key, mergeFindings(findings.get(key), finding, compare))
    }
  }
  return {
    databaseVersion: database.version,
    databaseBuiltAt: database.builtAt,
    findings: [...findings.values()].toSorted(byWeight),
    coverage: [],
    gaps: [...gaps].map(([ecosystem, packages]): CoverageGap => ({ ecosystem, packages })),
  }
}

/** The name under which OSV files a package: a release of a distribution, or a language's registry. */
function ecosystemOf(installed: InstalledPackage, system: OperatingSystem | undefined): string {
  switch (installed.type) {
    case 'deb': {
      const id = system?.id ?? 'unknown'
      if (id === 'debian') return `Debian:${system?.versionId.split('.')[0] || 'unknown'}`
      return id === 'ubuntu' ? `Ubuntu:${system?.versionId}` : `${id}:${system?.versionId ?? ''}`
    }
    case 'apk':
      if (system?.id !== 'alpine') return `${system?.id ?? 'unknown'}:${system?.versionId ?? ''}`
      return /_alpha|^edge/.test(system.versionId)
        ? 'Alpine:edge'
        : `Alpine:v${system.versionId.split('.').slice(0, 2).join('.')}`
    case 'npm':
      return 'npm'
    case 'pypi':
      return 'PyPI'
    case 'rpm':
      return `${system?.id ?? 'unknown'}:${system?.versionId ?? ''}`
    case 'golang':
      return 'Go'
    case 'maven':
      return 'Maven'
    case 'cargo':
      return 'crates.io'
    case 'gem':
      return 'RubyGems'
    case 'composer':
      return 'Packagist'
    case 'nuget':
      return 'NuGet'
    case 'generic':
      return 'Bitnami'
  }
}

/** Distributions file advisories under the source package, whose version may be another one. */
function nameToMatch(installed: InstalledPackage): string {
  return installed.sourceName ?? installed.name
}

function versionToMatch(installed: InstalledPackage): string {
  const version = installed.sourceVersion ?? installed.version
  if (installed.type === 'golang') return version.replace(/^v/, '')
  // A binary-only rebuild has the fixes of the source version that it was built from.
  return installed.type === 'deb' ? version.replace(/\+b\d+$/, '') : version
}

function matchVersion(
  affected: AffectedPackage,
  version: string,
  compare: CompareVersions,
): { fixed: string | undefined } | undefined {
  const inRange = affected.ranges.filter((range) => isInRange(range, version, compare))
  if (inRange.length === 0 && !affected.versions.includes(version)) return undefined
  const fixes = affected.ranges
    .flatMap((range) => range.events.map((event) => event.fixed))
    .filter((fixed) => fixed !== undefined && compare(fixed, version) > 0) as string[]
  return { fixed: fixes.toSorted(compare)[0] }
}

/** OSV schema, "Evaluation": walk the events in the order of their versions. */
function isInRange(range: VersionRange, version: string, compare: CompareVersions): boolean {
  const events = range.events
    .map((event) => ({ event, at: event.introduced ?? event.fixed ?? event.last_affected ?? '' }))
    .toSorted((left, right) => compare(left.at, right.at))
  let isAffected = false
  for (const { event, at } of events) {
    const order = event.introduced === '0' ? 1 : compare(version, at)
    if (event.introduced !== undefined && order >= 0) isAffected = true
    else if (event.fixed !== undefined && order >= 0) isAffected = false
    else if (event.last_affected !== undefined && order > 0) isAffected = false
  }
  return isAffected
}

function makeFinding(
  inventory: Inventory,
  installed: InstalledPackage,
  affected: AffectedPackage,
  fixedVersion: string | undefined,
  database: VulnerabilityDatabase,
): Finding {
  const names = [affected.id, ...affected.aliases]
  const id = names.find((name) => /^CVE-\d{4}-\d+$/.test(name)) ?? cveIn(affected.id) ?? affected.id
  const known = database.severityOfCve(id)
  const score = affected.score ?? known?.score
  const layer = inventory.layers[installed.layer]
  return {
    id,
    aliases: [...new Set(names)].filter((name) => name !== id),
    severity: severityOf(
      affected.severity ?? (affected.score === undefined ? known?.severity : undefined),
      score,
    ),
    ...(score === undefined ? {} : { score }),
    summary: affected.summary,
    packageType: installed.type,
    packageName: installed.name,
    installedVersion: installed.version,
    ...(fixedVersion === undefined ? {} : { fixedVersion }),
    purl: installed.purl,
    fixState: fixedVersion === undefined ? 'unknown' : 'fixed',
    path: installed.path,
    layer: installed.layer,
    layerDigest: layer?.digest ?? '',
    ...(layer?.instruction === undefined ? {} : { instruction: layer.instruction }),
    source: affected.source,
  }
}

/** Distributions put their own word in front: `DEBIAN-CVE-2024-1`, `ALPINE-CVE-…`. */
function cveIn(id: string): string | undefined {
  return /^[A-Z]+-(CVE-\d{4}-\d+)$/.exec(id)?.[1]
}

/** Several advisories of one vulnerability are one finding: the worst severity, the lowest fix, all names. */
function mergeFindings(before: Finding | undefined, next: Finding, compare: CompareVersions): Finding {
  if (!before) return next
  const fixes = [before.fixedVersion, next.fixedVersion].filter((fix) => fix !== undefined).toSorted(compare)
  const severity = severities.find((one) => one === before.severity || one === next.severity) ?? 'unknown'
  const score = Math.max(before.score ?? 0, next.score ?? 0)
  return {
    ...before,
    severity,
    aliases: [...new Set([...before.aliases, ...next.aliases])],
    ...(score > 0 ? { score } : {}),
    ...(fixes[0] === undefined ? {} : { fixedVersion: fixes[0] }),
  }
}

function byWeight(left: Finding, right: Finding): number {
  return (
    severities.indexOf(left.severity) - severities.indexOf(right.severity) ||
    (right.score ?? 0) - (left.score ?? 0) ||
    (left.id < right.id ? -1 : 1)
  )
}
