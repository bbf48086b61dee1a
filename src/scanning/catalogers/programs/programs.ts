import { isExecutable } from '../executables/read-executables.ts'
import type { Cataloger, FileContent, FoundPackage } from '../types.ts'
import { findVersion } from './find-version.ts'
import { programs as table, type Program } from './table.ts'

/**
 * Programs outside of any package manager, known by the name of the file and by the version that its bytes tell. A
 * file of such a name without such a text is another program, or one that does not tell, and is passed over.
 */
export const programs: Cataloger = {
  name: 'programs',
  maximumBytes: 1024 ** 3,
  wants: (path, head) => isExecutable(head) && isNamed(path),
  read(path, file) {
    const packages = table.flatMap((program) => recognise(program, baseName(path), file))
    return packages.length > 0 ? { packages } : {}
  },
}

function isNamed(path: string): boolean {
  const name = baseName(path)
  return table.some(({ file }) => file.test(name))
}

function recognise({ name, file, signs }: Program, base: string, content: FileContent): FoundPackage[] {
  const named = file.exec(base)
  if (named === null) return []
  for (const sign of signs) {
    const anchor = sign.anchor.replace('$1', () => named[1] ?? '')
    const version = findVersion(content, { ...sign, anchor })
    if (version !== undefined) return [{ type: 'generic', name, version }]
  }
  return []
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
