import { versionOrders, type Finding, type Severity } from '../../scanning/offline.ts'
import { bySeverity, isCounted, plural } from './tell-findings.ts'

/** The newest approved version of the base that an image was built on, and what is known of it. */
export interface NewerBase {
  readonly name: string
  readonly version: string
  readonly findings: readonly Finding[]
}

const maximumLines = 20

/**
 * What to change, the most useful first: rebuild on a newer base, update packages, and what has no fix. Findings
 * that a rebuild mends are not told of again.
 */
export function adviseFixes(findings: readonly Finding[], base?: NewerBase): string[] {
  const counted = findings.filter(isCounted)
  const mended = base ? mendedByRebuild(counted, base) : new Set<Finding>()
  const left = counted.filter((finding) => !mended.has(finding))
  const updates = groupUpdates(left.filter(({ fixedVersion }) => fixedVersion !== undefined))
  const unfixed = groupUnfixed(left.filter(({ fixedVersion }) => fixedVersion === undefined))
  return [
    ...(base && mended.size > 0
      ? [`rebuild on base ${base.name}:${base.version}: it fixes ${mended.size} of ${counted.length}`]
      : []),
    ...cut(updates.map(tellUpdate), 'updates'),
    ...cut(unfixed.map(tellUnfixed), 'packages without a fix'),
  ]
}

/** Findings in what the base brought that its newest version no longer has. */
function mendedByRebuild(findings: readonly Finding[], base: NewerBase): ReadonlySet<Finding> {
  const stay = new Set(base.findings.map(problemOf))
  return new Set(findings.filter((one) => one.base !== undefined && !stay.has(problemOf(one))))
}

function problemOf({ id, packageType, packageName }: Finding): string {
  return `${packageType} ${packageName} ${id}`
}

/** Packages that one step updates together: of one source, from one version to one version. */
interface Group {
  readonly names: Set<string>
  readonly paths: Set<string>
  readonly findings: Finding[]
  readonly from: string
  to: string
}

function groupUpdates(findings: readonly Finding[]): readonly Group[] {
  const packages = groupBy(findings, (one) => `${one.packageType} ${one.packageName} ${one.installedVersion}`)
  for (const group of packages) {
    const compare = versionOrders[group.findings[0]?.packageType ?? 'generic']
    // All of them are fixed only by the highest of the versions that fix one each.
    group.to =
      group.findings
        .map(({ fixedVersion }) => fixedVersion ?? '')
        .toSorted(compare)
        .at(-1) ?? ''
  }
  return mergeSiblings(packages).toSorted(byWeight)
}

function groupUnfixed(findings: readonly Finding[]): readonly Group[] {
  return groupBy(findings, (one) => `${one.packageType} ${one.packageName} ${one.fixState}`).toSorted(
    byWeight,
  )
}

function groupBy(findings: readonly Finding[], keyOf: (finding: Finding) => string): Group[] {
  const groups = new Map<string, Group>()
  for (const finding of findings) {
    const key = keyOf(finding)
    const group = groups.get(key) ?? {
      names: new Set([finding.packageName]),
      paths: new Set<string>(),
      findings: [],
      from: finding.installedVersion,
      to: '',
    }
    group.findings.push(finding)
    group.paths.add(finding.path)
    groups.set(key, group)
  }
  return [...groups.values()]
}

/** `openssl` and `libssl3` come from one source: same versions, same vulnerabilities, one line. */
function mergeSiblings(groups: readonly Group[]): Group[] {
  const merged = new Map<string, Group>()
  for (const group of groups) {
    const ids = [...idsOf(group)].toSorted()
    const key = JSON.stringify([group.findings[0]?.packageType, group.from, group.to, ids])
    const known = merged.get(key)
    if (!known) merged.set(key, group)
    else {
      for (const name of group.names) known.names.add(name)
      for (const finding of group.findings) known.findings.push(finding)
    }
  }
  return [...merged.values()]
}

function idsOf({ findings }: Group): ReadonlySet<string> {
  return new Set(findings.map(({ id }) => id))
}

function worstOf({ findings }: Group): Severity {
  return findings.map(({ severity }) => severity).toSorted(bySeverity)[0] ?? 'unknown'
}

function byWeight(left: Group, right: Group): number {
  return bySeverity(worstOf(left), worstOf(right)) || idsOf(right).size - idsOf(left).size
}

function tellUpdate(group: Group): string {
  const first = group.findings[0] as Finding
  const system = ['deb', 'apk', 'rpm'].includes(first.packageType)
  const [path = ''] = group.paths
  const more = group.paths.size > 1 ? ` and ${plural(group.paths.size - 1, 'more place')}` : ''
  const where = system || path === '' ? '' : ` in ${path}${more}`
  return `update ${tellNames(group)} ${group.from} → ${group.to}${where} (fixes ${tellSize(group)})`
}

function tellUnfixed(group: Group): string {
  const { fixState, installedVersion } = group.findings[0] as Finding
  const about = `${tellNames(group)} ${installedVersion} (${tellSize(group)})`
  switch (fixState) {
    case 'will-not-fix':
      return `will not be fixed: ${about}; remove the package or have an exception decided`
    case 'end-of-life':
      return `no longer supported: ${about}; move to a supported release`
    case 'deferred':
      return `fix deferred: ${about}`
    default:
      return `no fix yet: ${about}`
  }
}

function tellNames({ names }: Group): string {
  const shown = [...names].slice(0, 4).join(', ')
  return names.size > 4 ? `${shown} and ${names.size - 4} more` : shown
}

/** `4, 1 critical`: how many vulnerabilities, and how many of the worst. */
function tellSize(group: Group): string {
  const worst = worstOf(group)
  const ofWorst = new Set(group.findings.filter(({ severity }) => severity === worst).map(({ id }) => id))
  return `${idsOf(group).size}, ${ofWorst.size} ${worst}`
}

function cut(lines: readonly string[], noun: string): readonly string[] {
  if (lines.length <= maximumLines) return lines
  return [...lines.slice(0, maximumLines), `and ${lines.length - maximumLines} more ${noun}`]
}
