import type { PackageEvidence } from './package-evidence.ts'

const builtFrom = 'built package from: '

/**
 * What scanners write into SPDX's `sourceInfo`: `built package from: NAME VERSION`, or
 * `acquired package info from DPKG DB: /var/lib/dpkg/status, /usr/share/…`.
 */
export function readSourceInfo(text: string): Partial<PackageEvidence> {
  if (text.startsWith(builtFrom)) {
    const [sourceName = '', sourceVersion] = text.slice(builtFrom.length).split(' ', 2)
    return { sourceName, ...(sourceVersion ? { sourceVersion } : {}) }
  }
  if (!text.startsWith('acquired package info from ')) return {}
  const at = text.indexOf(': ')
  const path = at < 0 ? undefined : text.slice(at + 2).split(', ', 1)[0]
  return path ? { path } : {}
}
