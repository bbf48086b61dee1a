import { namePackage, withoutRepeats } from '../name-package.ts'
import type { FileContent, FoundPackage } from '../types.ts'

/**
 * Yarn's lock file, of version 1 and of those since 2 (which are YAML of the same shape): an unindented line with
 * the patterns of a package, then its fields, indented by two. It does not tell what only development needs.
 */
export function readYarnLock(file: FileContent): readonly FoundPackage[] | undefined {
  const text = file.text()
  if (!/^# yarn lockfile v1$|^__metadata:$/m.test(text)) return text.trim() === '' ? [] : undefined
  const packages: (FoundPackage | undefined)[] = []
  let header = ''
  let fields = new Map<string, string>()
  const finish = (): void => void packages.push(readEntry(header, fields))
  for (const line of text.split(/\r?\n/)) {
    if (/^[^\s#]/.test(line)) {
      finish()
      header = line.endsWith(':') ? line.slice(0, -1) : ''
      fields = new Map()
    }
    const field = /^ {2}(version|resolution|linkType|conditions):? (\S.{0,600})$/.exec(line)
    if (field) fields.set(field[1] as string, unquote(field[2] as string))
  }
  finish()
  return withoutRepeats(packages)
}

function readEntry(header: string, fields: ReadonlyMap<string, string>): FoundPackage | undefined {
  // A soft link is a folder of the application itself.
  if (fields.get('linkType') === 'soft' || !isForHere(fields.get('conditions'))) return undefined
  const pattern = fields.get('resolution') ?? unquote(header.split(',', 1)[0] as string)
  const at = pattern.indexOf('@', 1)
  if (at < 0) return undefined
  const [name, range] = [pattern.slice(0, at), pattern.slice(at + 1)]
  // `alias@npm:real@range`; without a second @, what follows is the range.
  const alias = /^npm:((?:@[^/@]+\/)?[^/@]+)@/.exec(range)?.[1]
  return namePackage('npm', alias ?? name, fields.get('version'))
}

/** `os=darwin`, `(os=linux | os=darwin) & cpu=x64` */
function isForHere(conditions = ''): boolean {
  return !conditions.includes('os=') || conditions.includes('linux') || conditions.includes('!')
}

function unquote(text: string): string {
  return text.replace(/^"(.*)"$/, '$1')
}
