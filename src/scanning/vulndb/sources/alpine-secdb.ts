import { asList, asObject, asText, asTexts } from './read-json.ts'
import type { Advisory, AffectedEntry, SourceAdapter, SourceRecord } from './types.ts'

const repositories = ['main', 'community']

/** Alpine's security database: a file a branch and repository, versions that fixed something by package. */
export const alpineSecdb: SourceAdapter = {
  name: 'alpine-secdb',
  defaultUrl: 'https://secdb.alpinelinux.org',
  requests: (url, { alpineBranches }) =>
    alpineBranches.flatMap((branch) =>
      repositories.map((repository) => ({
        source: `alpine-${branch}-${repository}`,
        url: `${url}/${branch}/${repository}.json`,
        suffix: '.json',
      })),
    ),
  accepts(record) {
    const { packages, secfixes, distroversion } = asObject(record)
    return (
      (Array.isArray(packages) && typeof distroversion === 'string') ||
      (typeof secfixes === 'object' && secfixes !== null)
    )
  },
  read: readSecdb,
}

/**
 * Reads Alpine's own file, or a line `{branch, pkg, secfixes}` of a bundle. Version `"0"` means that the package
 * never had it. What is not fixed yet is not listed at all.
 */
function readSecdb(record: unknown): readonly SourceRecord[] {
  const file = asObject(record)
  const branch = asText(file['distroversion']) ?? asText(file['branch'])
  if (branch === undefined) throw new Error('it names no branch')
  const ecosystem = branch === 'edge' ? 'Alpine:edge' : `Alpine:v${branch.replace(/^v/, '')}`
  const packages = Array.isArray(file['packages'])
    ? asList(file['packages']).map((entry) => asObject(asObject(entry)['pkg']))
    : [{ name: file['pkg'], secfixes: file['secfixes'] }]
  return packages.flatMap(({ name, secfixes }): SourceRecord[] => {
    const known = asText(name)
    if (known === undefined) return [{ problem: `a package of ${branch} has no name` }]
    return readPackage(ecosystem, known, asObject(secfixes)).map((advisory) => ({ advisory }))
  })
}

function readPackage(
  ecosystem: string,
  name: string,
  secfixes: Readonly<Record<string, unknown>>,
): readonly Advisory[] {
  return Object.entries(secfixes).flatMap(([fixed, texts]) =>
    asTexts(texts).flatMap((text): Advisory[] => {
      // One entry can name a vulnerability several ways: `CVE-2019-14697 XSA-1`.
      const [id, ...aliases] = text.split(/\s+/).filter((word) => /^[A-Z]+-/.test(word))
      if (id === undefined) return []
      const entry: AffectedEntry = {
        ecosystem,
        package: name,
        ranges: [{ events: [{ introduced: '0' }, ...(fixed === '0' ? [] : [{ fixed }])] }],
        versions: [],
        ...(fixed === '0' ? { state: 'not-affected' } : {}),
      }
      return [{ id, aliases, summary: '', modifiedAt: 0, affected: [entry] }]
    }),
  )
}
