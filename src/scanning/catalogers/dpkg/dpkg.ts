import { readFields } from '../read-fields.ts'
import type { Cataloger, FoundPackage } from '../types.ts'

/** Debian's installed packages: one status file, or one file a package where a base is assembled without dpkg. */
export const dpkg: Cataloger = {
  name: 'dpkg',
  maximumBytes: 64 * 1024 * 1024,
  wants: (path) =>
    path === 'var/lib/dpkg/status' ||
    (path.startsWith('var/lib/dpkg/status.d/') && !/\.(md5sums|preinst|postinst|list)$/.test(path)),
  read(path, file) {
    const text = file.text()
    const packages: FoundPackage[] = []
    let entries = 0
    for (const paragraph of text.split(/\n\s*\n/)) {
      const fields = readFields(paragraph)
      const [name, version] = [fields.get('package'), fields.get('version')]
      if (!name || !version) continue
      entries++
      // status.d has no Status field; in the status file only what is unpacked is really there.
      const status = fields.get('status')?.split(' ').at(-1) ?? 'installed'
      if (status === 'not-installed' || status === 'config-files') continue
      packages.push({ type: 'deb', name, version, ...sourceOf(fields), ...architectureOf(fields) })
    }
    if (entries === 0 && text.trim() !== '') return { unknown: `${path} holds no package` }
    return { packages }
  },
}

/** Which files Debian's packages own. */
export const dpkgFileLists: Cataloger = {
  name: 'dpkg-file-list',
  maximumBytes: 16 * 1024 * 1024,
  wants: (path) => /^var\/lib\/dpkg\/info\/[^/]+\.list$/.test(path),
  read: (_path, file) => ({
    ownedFiles: file
      .text()
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
