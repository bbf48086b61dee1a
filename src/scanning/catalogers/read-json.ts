import type { FileContent } from './types.ts'

/** An object of somebody else's, of which nothing is known yet. */
export type Loose = Readonly<Record<string, unknown>>

/** The JSON of a file; undefined when it is none. */
export function readJson(file: FileContent): unknown {
  try {
    return JSON.parse(file.text().replace(/^\uFEFF/, '')) as unknown
  } catch {
    return undefined
  }
}

/** The value as an object; an empty one when it is none. */
export function asObject(value: unknown): Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Loose) : {}
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
