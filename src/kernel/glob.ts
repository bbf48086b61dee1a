/**
 * Matches a repository name against a pattern: `*` is any run of characters inside one part, `**` any
 * number of whole parts (also none), everything else is literal. Runs in time linear in each part, with
 * no regular expression behind it, so a pattern from a policy cannot stall the server.
 */
export function matchesGlob(pattern: string, name: string): boolean {
  return matchesParts(pattern.split('/'), name.split('/'))
}

/** True when the text can serve as a pattern: repository name characters, `*`, `**` as a whole part. */
export function isGlob(text: string): boolean {
  if (text.length === 0 || text.length > 255) return false
  return text
    .split('/')
    .every((part) => part === '**' || (/^[a-z0-9._*-]+$/.test(part) && !part.includes('**')))
}

function matchesParts(pattern: readonly string[], name: readonly string[]): boolean {
  return greedyMatch(pattern, name, '**', (want, have) => matchesCharacters(want, have))
}

function matchesCharacters(pattern: string, text: string): boolean {
  return greedyMatch(Array.from(pattern), Array.from(text), '*', (want, have) => want === have)
}

/** The usual two-pointer wildcard walk: on a mismatch go back to the last wildcard and let it eat one more. */
function greedyMatch(
  pattern: readonly string[],
  items: readonly string[],
  wildcard: string,
  matchesOne: (want: string, have: string) => boolean,
): boolean {
  let atPattern = 0
  let atItem = 0
  let wildcardAt = -1
  let resumeAt = 0
  while (atItem < items.length) {
    const want = pattern[atPattern]
    if (want === wildcard) {
      wildcardAt = atPattern++
      resumeAt = atItem
    } else if (want !== undefined && matchesOne(want, items[atItem] as string)) {
      atPattern++
      atItem++
    } else if (wildcardAt >= 0) {
      atPattern = wildcardAt + 1
      atItem = ++resumeAt
    } else return false
  }
  while (pattern[atPattern] === wildcard) atPattern++
  return atPattern === pattern.length
}
