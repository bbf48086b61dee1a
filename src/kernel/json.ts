/** Why strict JSON was refused. */
export class JsonError extends Error {}

/**
 * Parses JSON and refuses what different readers read differently: the same key twice in an object, and
 * nesting deeper than `maximumDepth`. Throws `JsonError`.
 */
export function parseStrictJson(text: string, maximumDepth = 64): unknown {
  checkKeysAndDepth(text, maximumDepth)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new JsonError(`not JSON: ${(error as Error).message}`)
  }
}

/** Decodes UTF-8 that must be valid, and parses it. */
export function parseStrictJsonBytes(bytes: Uint8Array, maximumDepth = 64): unknown {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new JsonError('not UTF-8')
  }
  return parseStrictJson(text, maximumDepth)
}

const quote = 34
const backslash = 92

/** One walk over the text that only knows strings and brackets; `JSON.parse` does the rest of the grammar. */
function checkKeysAndDepth(text: string, maximumDepth: number): void {
  // For each open bracket: the keys seen in an object, or undefined in an array.
  const open: (Set<string> | undefined)[] = []
  for (let index = 0; index < text.length; index++) {
    const character = text[index]
    if (character === '{' || character === '[') {
      open.push(character === '{' ? new Set() : undefined)
      if (open.length > maximumDepth) throw new JsonError(`nested deeper than ${maximumDepth}`)
    } else if (character === '}' || character === ']') open.pop()
    else if (character === '"') {
      const end = endOfString(text, index)
      const keys = open.at(-1)
      if (keys && isFollowedByColon(text, end)) rememberKey(keys, text.slice(index, end))
      index = end - 1
    }
  }
}

function rememberKey(keys: Set<string>, literal: string): void {
  let key: string
  try {
    key = JSON.parse(literal) as string
  } catch {
    throw new JsonError('not JSON: a key is not a string')
  }
  if (keys.has(key))
    throw new JsonError(`the key ${JSON.stringify(key.slice(0, 80))} stands twice in an object`)
  keys.add(key)
}

/** Index after the closing quote, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === backslash) index++
    else if (code === quote) return index + 1
  }
  return text.length
}

function isFollowedByColon(text: string, index: number): boolean {
  while (/[ \t\r\n]/.test(text[index] ?? '')) index++
  return text[index] === ':'
}
