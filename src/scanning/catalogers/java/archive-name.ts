export interface ArchiveName {
  /** The file's name without its folders and its ending. */
  readonly stem: string
  /** The part in front of the version. */
  readonly artifact: string
  readonly version?: string
}

/** Parts that belong to a version when they follow one; anything else is a classifier. */
const qualifier = /^(?:\d|alpha|beta|rc|cr|m\d|sp\d|pre|snapshot|jre|android|ga|final|release|incubating|r$)/i

/**
 * Takes `log4j-1.2-api-2.17.1.jar` apart (Maven repository layout, `artifact-version-classifier`): the version begins
 * with the last part that is numbers with a dot between them, or with a number at the very end.
 */
export function splitFileName(path: string): ArchiveName {
  const stem = path.slice(path.lastIndexOf('/') + 1).replace(/\.[a-z]{1,5}$/i, '')
  const parts = stem.slice(0, 300).split('-')
  const begin = findVersion(parts)
  if (begin < 1) return { stem, artifact: stem }
  let end = begin + 1
  while (end < parts.length && qualifier.test(parts[end] as string)) end++
  return { stem, artifact: parts.slice(0, begin).join('-'), version: parts.slice(begin, end).join('-') }
}

function findVersion(parts: readonly string[]): number {
  let begin = parts.findLastIndex((part) => /^\d+\.\d/.test(part))
  // A snapshot's time has a dot too: `1.0-20200101.123456-1`.
  if (/^\d{8}\.\d{6}$/.test(parts[begin] ?? '') && /^\d/.test(parts[begin - 1] ?? '')) begin--
  if (begin >= 1) return begin
  return /^\d+$/.test(parts.at(-1) as string) ? parts.length - 1 : -1
}
