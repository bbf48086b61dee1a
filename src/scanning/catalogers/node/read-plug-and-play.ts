import { namePackage, withoutRepeats } from '../name-package.ts'
import { asList } from '../read-json.ts'
import type { FileContent, FoundPackage } from '../types.ts'

/**
 * The loader of Yarn Plug'n'Play (Yarn docs, "PnP specification"): the packages are in archives elsewhere, and
 * this file lists them, as JSON in a text of a JavaScript program.
 */
export function readPlugAndPlay(file: FileContent): readonly FoundPackage[] | undefined {
  const state = readState(file.text())
  if (state === undefined) return undefined
  return withoutRepeats(
    asList(state).flatMap((entry) => {
      const [name, references] = asList(entry)
      return asList(references).map((one) => namePackage('npm', name, versionOf(asList(one)[0])))
    }),
  )
}

/** What `packageRegistryData` holds; the text continues over lines with a backslash at the end of each. */
function readState(text: string): unknown {
  const declared = text.indexOf('RAW_RUNTIME_STATE')
  const begin = declared < 0 ? -1 : text.indexOf("'", declared)
  const end = begin < 0 ? -1 : text.indexOf("';", begin)
  if (end < 0) return undefined
  const json = text
    .slice(begin + 1, end)
    .replaceAll(/\\(\r?\n|.)/g, (_, next: string) => (/\n/.test(next) ? '' : next))
  try {
    return (JSON.parse(json) as { packageRegistryData?: unknown } | null)?.packageRegistryData
  } catch {
    return undefined
  }
}

/** `npm:1.2.3`, `virtual:…#npm:1.2.3`, `patch:name@npm%3A1.2.3#…`; nothing for a folder of the application. */
function versionOf(reference: unknown): string | undefined {
  const text = typeof reference === 'string' && reference.length < 1000 ? reference : ''
  return (
    /(?:^|#)npm:([^#:]+)$/.exec(text)?.[1] ?? /^(?:virtual:[^#]*#)?patch:.*@npm%3A([^#:]+)#/.exec(text)?.[1]
  )
}
