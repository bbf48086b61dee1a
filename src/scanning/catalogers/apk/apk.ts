import type { Cataloger, FoundPackage } from '../types.ts'

/** Alpine's installed packages (apk v2 database): one-letter fields, `F:` folders and `R:` files. */
export const apk: Cataloger = {
  name: 'apk',
  maximumBytes: 64 * 1024 * 1024,
  wants: (path) => path === 'lib/apk/db/installed' || path === 'usr/lib/apk/db/installed',
  read(path, file) {
    const packages: FoundPackage[] = []
    const ownedFiles: string[] = []
    const text = file.text()
    for (const paragraph of text.split(/\n\s*\n/)) {
      const fields = new Map<string, string>()
      let folder = ''
      for (const line of paragraph.split('\n')) {
        const [letter, value] = [line.slice(0, 2), line.slice(2)]
        if (letter === 'F:') folder = value === '' ? '' : `${value}/`
        else if (letter === 'R:') ownedFiles.push(folder + value)
        else if (!fields.has(letter)) fields.set(letter, value)
      }
      const [name, version, origin] = [fields.get('P:'), fields.get('V:'), fields.get('o:')]
      if (!name || !version) continue
      const architecture = fields.get('A:')
      packages.push({
        type: 'apk',
        name,
        version,
        ...(origin ? { sourceName: origin } : {}),
        ...(architecture ? { architecture } : {}),
      })
    }
    if (packages.length === 0 && text.trim() !== '') return { unknown: `${path} holds no package` }
    return { packages, ownedFiles }
  },
}
