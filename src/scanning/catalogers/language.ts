import { readFields } from './dpkg.ts'
import type { Cataloger } from './types.ts'

/** Installed Node packages: `package.json` directly inside a folder of `node_modules`. */
export const node: Cataloger = {
  name: 'node',
  maximumBytes: 4 * 1024 * 1024,
  wants: (path) => /(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/@][^/]*\/package\.json$/.test(path),
  read(_path, content) {
    try {
      const document = JSON.parse(content.toString('utf8')) as unknown
      const { name, version } = (document ?? {}) as { name?: unknown; version?: unknown }
      if (typeof name !== 'string' || typeof version !== 'string') return {}
      return { packages: [{ type: 'npm', name, version }] }
    } catch {
      return { unknown: 'it is not JSON' }
    }
  },
}

/** Installed Python distributions: wheels and eggs (PyPA, "Core metadata"). */
export const python: Cataloger = {
  name: 'python',
  maximumBytes: 4 * 1024 * 1024,
  wants: (path) => /\.dist-info\/METADATA$|\.egg-info\/PKG-INFO$|\.egg-info$/.test(path),
  read(_path, content) {
    const [head = ''] = content.toString('utf8').split(/\r?\n\r?\n/, 1)
    const fields = readFields(head)
    const [name, version] = [fields.get('name'), fields.get('version')]
    if (!name || !version) return { unknown: 'it names no distribution and version' }
    return { packages: [{ type: 'pypi', name: name.toLowerCase().replace(/[-_.]+/g, '-'), version }] }
  },
}
