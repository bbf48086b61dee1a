import { namePackage } from '../name-package.ts'
import { asObject, readJson } from '../read-json.ts'
import type { Cataloger } from '../types.ts'
import { isInstalledAt } from './is-installed-at.ts'

/** Installed Node packages: `package.json` directly inside a folder of `node_modules`. */
export const node: Cataloger = {
  name: 'node',
  maximumBytes: 4 * 1024 * 1024,
  wants: (path) => path.endsWith('/package.json') && isInstalledAt(path),
  read(_path, file) {
    const document = readJson(file)
    if (document === undefined) return { unknown: 'it is not JSON' }
    const { name, version } = asObject(document)
    const found = namePackage('npm', name, version)
    return found ? { packages: [found] } : {}
  },
}
