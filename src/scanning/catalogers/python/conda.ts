import { namePackage } from '../name-package.ts'
import { asList, asObject, readJson } from '../read-json.ts'
import type { Cataloger, FileFacts } from '../types.ts'

/**
 * What conda installed: a record for each package in `conda-meta`. Python's distributions among them have their own
 * metadata in `site-packages`, under the name that advisories know; the others are programs and libraries that
 * no language's registry has, so they are of no type, and of the channel that packaged them.
 */
export const conda: Cataloger = {
  name: 'conda',
  maximumBytes: 64 * 1024 * 1024,
  wants: (path) => /(?:^|\/)conda-meta\/[^/]+-[^/]+-[^/]+\.json$/.test(path),
  read(_path, file): FileFacts {
    const record = asObject(readJson(file))
    const found = namePackage('generic', record['name'], record['version'])
    if (!found) return { unknown: 'it names no conda package and version' }
    if (asList(record['files']).some(isDistribution)) return {}
    return { packages: [{ ...found, vendor: channelOf(record['channel']) }] }
  },
}

function isDistribution(path: unknown): boolean {
  return typeof path === 'string' && /\.(?:dist|egg)-info(?:\/|$)/.test(path)
}

/** `https://conda.anaconda.org/conda-forge/linux-64` → `conda-forge`; an address of one's own tells nothing. */
function channelOf(channel: unknown): string {
  const name =
    typeof channel === 'string'
      ? /\/([\w.-]{1,60})\/(?:linux|osx|win|noarch)[\w-]*$/.exec(channel)?.[1]
      : undefined
  return name === undefined ? 'conda' : `conda ${name}`
}
