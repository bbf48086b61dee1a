import type { Cataloger } from '../types.ts'

/** Installed Node packages: `package.json` directly inside a folder of `node_modules`. */
export const node: Cataloger = {
  name: 'node',
  maximumBytes: 4 * 1024 * 1024,
  wants: (path) => /(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/@][^/]*\/package\.json$/.test(path),
  read(_path, file) {
    try {
      const document = JSON.parse(file.text()) as unknown
      const { name, version } = (document ?? {}) as { name?: unknown; version?: unknown }
      if (typeof name !== 'string' || typeof version !== 'string') return {}
      return { packages: [{ type: 'npm', name, version }] }
    } catch {
      return { unknown: 'it is not JSON' }
    }
  },
}
