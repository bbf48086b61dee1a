import type { InstalledPackage } from '../types.ts'
import type { AffectedPackage } from '../vulndb/tables.ts'

/**
 * rpm: a build of a module is compared with builds of the same module stream only, and other builds with none of
 * a module. True for what is not an rpm package.
 */
export function isSameModule(installed: InstalledPackage, advisory: AffectedPackage): boolean {
  if (installed.type !== 'rpm') return true
  const isModular = (installed.module ?? '') !== '' || /\.module[_+]/.test(installed.version)
  if (advisory.module === undefined || !isModular) return (advisory.module !== undefined) === isModular
  const stream = (installed.module ?? '').split(':').slice(0, 2).join(':')
  if (advisory.module !== '' && stream !== '') return advisory.module === stream
  // Without the names of both streams, builds of one upstream line are taken to be of one stream.
  const fixes = advisory.ranges.flatMap(({ events }) => events.map(({ fixed }) => fixed))
  const major = upstreamMajor(installed.version)
  return fixes.some((fixed) => fixed !== undefined && upstreamMajor(fixed) === major)
}

/** `18` of `1:18.12.1-1.module_el9`. */
function upstreamMajor(version: string): string {
  return /^(?:\d+:)?(\d+)/.exec(version)?.[1] ?? ''
}
