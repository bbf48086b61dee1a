import { namePackage, withoutRepeats } from '../name-package.ts'
import { asList, asObject, readJson } from '../read-json.ts'
import type { Cataloger } from '../types.ts'

/**
 * What Composer installed, in the `vendor` folder under whatever name: since Composer 2 an object with `packages`,
 * before that the list itself. What came for development only is there too, and runs if it is asked to.
 */
export const php: Cataloger = {
  name: 'php',
  maximumBytes: 64 * 1024 * 1024,
  wants: (path) => /(?:^|\/)composer\/installed\.json$/.test(path),
  read(_path, file) {
    const document = readJson(file)
    const list = Array.isArray(document) ? document : asObject(document)['packages']
    if (!Array.isArray(list)) return { unknown: 'it lists no packages' }
    const packages = withoutRepeats(
      asList(list).map((entry) => {
        const { name, version } = asObject(entry)
        const plain = typeof version === 'string' ? version.replace(/^v(?=\d)/i, '') : undefined
        return namePackage('composer', typeof name === 'string' ? name.toLowerCase() : undefined, plain)
      }),
    )
    return { packages }
  },
}
