import { createHash } from 'node:crypto'
import { severities, type Finding, type Severity } from '../../scanning/offline.ts'
import type { GateResult } from '../types.ts'

/** A result for each image: those of an index, or the result itself. */
export function imagesOf(result: GateResult): readonly GateResult[] {
  return result.images ?? [result]
}

/** The exception that takes a finding out of the count; one that is still looked into does not. */
export function acceptedException({ exception }: Finding): Finding['exception'] {
  return exception?.isSuppressed ? exception : undefined
}

/** What speaks against the image: neither accepted nor in a package that a later layer removed. */
export function isCounted(finding: Finding): boolean {
  return finding.removedBy === undefined && acceptedException(finding) === undefined
}

export function findingsOf(result: GateResult): readonly Finding[] {
  return result.report?.findings ?? []
}

/** `2 critical, 1 high`; empty when there are none. */
export function countSeverities(findings: readonly Finding[]): string {
  return severities
    .map((severity) => ({ severity, count: findings.filter((one) => one.severity === severity).length }))
    .filter(({ count }) => count > 0)
    .map(({ severity, count }) => `${count} ${severity}`)
    .join(', ')
}

/** `3 findings: 1 critical, 2 low; 1 accepted and 2 in removed packages do not count`. */
export function tellCounts(findings: readonly Finding[]): string {
  const counted = findings.filter(isCounted)
  const accepted = findings.filter((one) => acceptedException(one) !== undefined).length
  const removed = findings.length - counted.length - accepted
  const aside = [
    ...(accepted > 0 ? [`${accepted} accepted`] : []),
    ...(removed > 0 ? [`${removed} in removed packages`] : []),
  ].join(' and ')
  const head = `${counted.length} ${counted.length === 1 ? 'finding' : 'findings'}`
  const kinds = countSeverities(counted)
  return `${head}${kinds && `: ${kinds}`}${aside && `; ${aside} do not count`}`
}

/** `1 package`, `2 packages`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** `debian 12, 530 packages, 2 layers`. */
export function tellInventory({ inventory }: GateResult): string {
  if (!inventory) return 'not read'
  const { operatingSystem: system, packages, layers } = inventory
  const name = system ? `${system.id} ${system.versionId}`.trim() : 'no operating system'
  return `${name}, ${plural(packages.length, 'package')}, ${plural(layers.length, 'layer')}`
}

/** What no source speaks for or goes on to, and what could not be read: reasons not to call it clean. */
export function tellGaps({ report, inventory }: GateResult): readonly string[] {
  return [
    ...(report?.gaps ?? []).map(
      ({ ecosystem, packages }) => `not covered: ${ecosystem} (${plural(packages, 'package')})`,
    ),
    ...(report?.coverage ?? [])
      .filter(({ endOfLife }) => endOfLife !== undefined)
      .map(({ ecosystem, endOfLife }) => `no longer supported: ${ecosystem} (since ${endOfLife})`),
    ...(inventory?.unknowns ?? []).map(({ path, reason }) => `could not be read: ${path} (${reason})`),
  ]
}

/** Where a vulnerability is told of. */
export function advisoryUrl(id: string): string {
  const name = encodeURIComponent(id.toWellFormed())
  if (/^CVE-\d/.test(id)) return `https://www.cve.org/CVERecord?id=${name}`
  if (id.startsWith('GHSA-')) return `https://github.com/advisories/${name}`
  return `https://osv.dev/vulnerability/${name}`
}

/** The same finding has the same one in every scan: neither severity nor fix nor layer count. */
export function fingerprint({ id, packageType, packageName, path }: Finding): string {
  return createHash('sha256')
    .update(JSON.stringify([id, packageType, packageName, path]))
    .digest('hex')
}

/** `fixed in 1.2.3`, or what the source says of a fix. */
export function tellFix({ fixedVersion, fixState }: Finding): string {
  if (fixedVersion !== undefined) return `fixed in ${fixedVersion}`
  switch (fixState) {
    case 'will-not-fix':
      return 'will not be fixed'
    case 'deferred':
      return 'fix deferred'
    case 'end-of-life':
      return 'release no longer supported'
    default:
      return 'no fix yet'
  }
}

export function bySeverity(left: Severity, right: Severity): number {
  return severities.indexOf(left) - severities.indexOf(right)
}
