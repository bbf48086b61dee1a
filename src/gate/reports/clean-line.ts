/**
 * Characters that change what a terminal or a page shows without being seen: controls and escapes (C0, C1),
 * what turns the direction of writing (Unicode Standard Annex 9), what has no width, line and paragraph
 * separators, tags, lone surrogates and what is no character.
 */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}\p{Variation_Selector}]/gu

const longest = 2000

/** Foreign text in one line, safe to show: what is not seen is spelled out, and it is cut where it has no end. */
export function cleanLine(text: string, maximum = longest): string {
  const clean = text
    .slice(0, maximum + 1)
    .replaceAll(/[\t\r\n]+/g, ' ')
    .replaceAll(unseen, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
    .trim()
  if (text.length <= maximum && clean.length <= maximum) return clean
  // No half of a character before the sign that more follows.
  return `${clean.slice(0, maximum - 1).replace(/[\ud800-\udbff]$/, '')}…`
}

// Not the controls below space: in a text of JSON those are its own line ends.
const unseenInJson = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu

/** JSON that says the same and can be shown on a terminal: what `JSON.stringify` leaves unseen is escaped. */
export function showableJson(value: unknown): string {
  return `${escapeUnseen(JSON.stringify(value, null, 2))}\n`
}

/** The same for a text that is JSON already; such characters stand inside its strings only. */
export function escapeUnseen(json: string): string {
  return json.replaceAll(unseenInJson, (character) =>
    Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join(''),
  )
}
