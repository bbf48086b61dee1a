import { namePackage } from '../name-package.ts'
import { readFields } from '../read-fields.ts'
import type { Cataloger } from '../types.ts'

/**
 * Installed Python distributions (PyPA, "Core metadata"): wheels, and eggs as a folder, a file or in a `.egg`.
 * What `direct_url.json` says is not looked at: a distribution from a repository or a folder has the flaws of
 * the version that it names as well.
 */
export const python: Cataloger = {
  name: 'python',
  maximumBytes: 4 * 1024 * 1024,
  wants: (path) =>
    /\.dist-info\/METADATA$|\.egg-info\/PKG-INFO$|\.egg-info$|\.egg\/EGG-INFO\/PKG-INFO$/.test(path),
  read(_path, file) {
    const [head = ''] = file.text().split(/\r?\n\r?\n/, 1)
    const fields = readFields(head)
    const name = fields
      .get('name')
      ?.toLowerCase()
      .replaceAll(/[-_.]+/g, '-')
    const found = namePackage('pypi', name, fields.get('version'))
    return found ? { packages: [found] } : { unknown: 'it names no distribution and version' }
  },
}
