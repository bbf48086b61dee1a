import { readFields } from '../read-fields.ts'
import type { Cataloger } from '../types.ts'

/** Installed Python distributions: wheels and eggs (PyPA, "Core metadata"). */
export const python: Cataloger = {
  name: 'python',
  maximumBytes: 4 * 1024 * 1024,
  wants: (path) => /\.dist-info\/METADATA$|\.egg-info\/PKG-INFO$|\.egg-info$/.test(path),
  read(_path, file) {
    const [head = ''] = file.text().split(/\r?\n\r?\n/, 1)
    const fields = readFields(head)
    const [name, version] = [fields.get('name'), fields.get('version')]
    if (!name || !version) return { unknown: 'it names no distribution and version' }
    return { packages: [{ type: 'pypi', name: name.toLowerCase().replace(/[-_.]+/g, '-'), version }] }
  },
}
