import { namePackage, withoutRepeats } from '../name-package.ts'
import type { FileContent, FoundPackage } from '../types.ts'

/**
 * pnpm's lock file: the keys below `packages`, in their spellings since version 5: `/name/1.0.0_peers`,
 * `/name@1.0.0(peers)`, `name@1.0.0`. It is read by lines, as pnpm writes it, since YAML can be made to unfold
 * without end. Up to version 6 entries say what only development needs.
 */
export function readPnpmLock(file: FileContent): readonly FoundPackage[] | undefined {
  const text = file.text()
  if (!/^lockfileVersion:/m.test(text)) return undefined
  const packages: FoundPackage[] = []
  let isInPackages = false
  let current: FoundPackage | undefined
  const finish = (): void => {
    if (current) packages.push(current)
    current = undefined
  }
  for (const line of text.split(/\r?\n/)) {
    if (/^\S/.test(line)) isInPackages = line === 'packages:'
    const key = isInPackages ? /^ {2}(\S.{0,600}):$/.exec(line)?.[1] : undefined
    if (key !== undefined) {
      finish()
      current = readKey(key.replace(/^'(.*)'$/, '$1'))
    } else if (isInPackages && isNotForHere(line)) current = undefined
  }
  finish()
  return withoutRepeats(packages)
}

function isNotForHere(line: string): boolean {
  if (line === '    dev: true') return true
  return line.startsWith('    os: [') && !line.includes('linux') && !line.includes('!')
}

function readKey(key: string): FoundPackage | undefined {
  const [bare = ''] = key.replace(/^\//, '').split('(', 1)
  const match =
    /^((?:@[^/@]+\/)?[^/@]+)@(\d[^@/]*)$/.exec(bare) ??
    /^((?:@[^/]+\/)?[^/]+)\/(\d[^/_]*)(?:_.*)?$/.exec(bare)
  return match ? namePackage('npm', match[1], match[2]) : undefined
}
