import type { Cataloger } from '../types.ts'

/** os-release(5). */
export const osRelease: Cataloger = {
  name: 'os-release',
  maximumBytes: 64 * 1024,
  wants: (path) => path === 'etc/os-release' || path === 'usr/lib/os-release',
  read(_path, file) {
    const values = new Map<string, string>()
    for (const line of file.text().split('\n')) {
      const match = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(line.trim())
      if (match) values.set(match[1] as string, (match[2] as string).replace(/^(["'])(.*)\1$/, '$2'))
    }
    const id = values.get('ID')
    if (!id) return { unknown: 'it names no ID' }
    const versionId = values.get('VERSION_ID') ?? ''
    return {
      operatingSystem: {
        id,
        versionId,
        prettyName: values.get('PRETTY_NAME') ?? `${id} ${versionId}`.trim(),
      },
    }
  },
}
