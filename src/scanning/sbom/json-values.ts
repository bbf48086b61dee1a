/** An object of somebody else's, of which nothing is known yet. */
export type Loose = Readonly<Record<string, unknown>>

export function asObject(value: unknown): Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Loose) : {}
}

/** The objects of an array; nothing for what is none. */
export function asObjects(value: unknown): readonly Loose[] {
  return Array.isArray(value) ? value.map(asObject) : []
}

export function asTexts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}

/** Texts longer than this name nothing. */
const maximumCharacters = 4096

/** A text of a length that can be a name; empty when it is none. */
export function asText(value: unknown): string {
  return typeof value === 'string' && value.length <= maximumCharacters ? value : ''
}
