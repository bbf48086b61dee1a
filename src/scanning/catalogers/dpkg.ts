import type { Cataloger, FoundPackage } from './types.ts'

/** Debian's installed packages: one status file, or one file a package where a base is assembled without dpkg. */
export const dpkg: Cataloger = {
  name: 'dpkg',
  maximumBytes: 64 * 1024 * 1024,
  wants: (path) =>
    path === 'var/lib/dpkg/status' ||
    (path.startsWith('var/lib/dpkg/status.d/') && !/\.(md5sums|preinst|postinst|list)$/.test(path)),
  read(path, content) {
    const text = content.toString('utf8')
    const packages: FoundPackage[] = []
    for (const paragraph of text.split(/\n\s*\n/)) {
      const fields = readFields(paragraph)
      const [name, version] = [fields.get('package'), fields.get('version')]
      if (!name || !version) continue
      // status.d has no Status field; in the status file only what is unpacked is really there.
      const status = fields.get('status')?.split(' ').at(-1) ?? 'installed'
      if (status === 'not-installed' || status === 'config-files') continue
      packages.push({ type: 'deb', name, version, ...sourceOf(fields), ...architectureOf(fields) })
    }
    if (packages.length === 0 && text.trim() !== '') return { unknown: `${path} holds no package` }
    return { packages }
  },
}

/** Which files Debian's packages own. */
export const dpkgFileLists: Cataloger = {
  name: 'dpkg-file-list',
  maximumBytes: 16 * 1024 * 1024,
  wants: (path) => /^var\/lib\/dpkg\/info\/[^/]+\.list$/.test(path),
  read: (_path, content) => ({
    ownedFiles: content
      .toString('utf8')
      .split('\n')
      .filter((line) => line.startsWith('/') && line.length > 2)
      .map((line) => line.slice(1)),
  }),
}

/** `Source: name (version)`; the version stands there only when it is another one. */
function sourceOf(fields: ReadonlyMap<string, string>): Pick<FoundPackage, 'sourceName' | 'sourceVersion'> {
  const match = /^(\S+)(?:\s+\(([^)]+)\))?/.exec(fields.get('source') ?? '')
  if (!match) return {}
  return { sourceName: match[1], ...(match[2] === undefined ? {} : { sourceVersion: match[2] }) }
}

function architectureOf(fields: ReadonlyMap<string, string>): Pick<FoundPackage, 'architecture'> {
  const architecture = fields.get('architecture')
  return architecture === undefined ? {} : { architecture }
}

/** RFC 822 fields of a paragraph; the first line of each is all that is needed here. */
export function readFields(paragraph: string): Map<string, string> {
  const fields = new Map<string, string>()
  for (const line of paragraph.split('\n')) {
    const colon = line.indexOf(':')
    if (colon <= 0 || line.startsWith(' ') || line.startsWith('\t')) continue
    const name = line.slice(0, colon).toLowerCase()
    if (!fields.has(name)) fields.set(name, line.slice(colon + 1).trim())
  }
  return fields
}
