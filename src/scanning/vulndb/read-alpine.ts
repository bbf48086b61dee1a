import type { Advisory } from './read-osv.ts'

/** One package of Alpine's secdb, as its own file has it or as a line of a bundle. */
interface SecdbPackage {
  readonly name: string
  readonly secfixes: Readonly<Record<string, readonly string[]>>
}

/** True for Alpine's secdb file and for a line `{branch, pkg, secfixes}` of a bundle. */
export function isSecdb(record: unknown): boolean {
  const { packages, secfixes } = (record ?? {}) as { packages?: unknown; secfixes?: unknown }
  return Array.isArray(packages) || (typeof secfixes === 'object' && secfixes !== null)
}

/**
 * Alpine lists for each package the versions that fixed something; `"0"` means that the package never had it.
 * What is not fixed yet is not listed at all.
 */
export function readSecdb(record: unknown): Advisory[] {
  const file = record as {
    distroversion?: string
    branch?: string
    pkg?: string
    secfixes?: SecdbPackage['secfixes']
    packages?: readonly { pkg: SecdbPackage }[]
  }
  const branch = file.distroversion ?? file.branch
  if (typeof branch !== 'string') throw new Error('it names no branch')
  const ecosystem = branch === 'edge' ? 'Alpine:edge' : `Alpine:v${branch.replace(/^v/, '')}`
  const packages = file.packages?.map(({ pkg }) => pkg) ?? [
    { name: file.pkg ?? '', secfixes: file.secfixes ?? {} },
  ]
  return packages.flatMap(({ name, secfixes }) =>
    Object.entries(secfixes ?? {})
      .filter(([fixed]) => fixed !== '0')
      .flatMap(([fixed, texts]) =>
        texts
          .flatMap((text) => text.split(/\s+/))
          .filter((id) => /^[A-Z]+-/.test(id))
          .map((id): Advisory => {
            const ranges = [{ events: [{ introduced: '0' }, { fixed }] }]
            const affected = [{ ecosystem, package: name, ranges, versions: [] }]
            return {
              id,
              aliases: [],
              severity: undefined,
              score: undefined,
              summary: '',
              modifiedAt: 0,
              affected,
            }
          }),
      ),
  )
}
