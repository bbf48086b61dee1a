import type { SourceRecord } from './types.ts'

/** The value as an object; an empty one when it is none. */
export function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {}
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** A text that is not empty. */
export function asText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

export function asTexts(value: unknown): readonly string[] {
  return asList(value).filter((entry) => typeof entry === 'string')
}

/** Milliseconds since 1970; 0 for what is no date or lies before. */
export function asTime(value: unknown): number {
  return typeof value === 'string' ? Math.max(0, Date.parse(value) || 0) : 0
}

/** The part of a text that is kept as a summary. */
export function asSummary(...values: readonly unknown[]): string {
  return (values.map(asText).find((text) => text !== undefined) ?? '').slice(0, 300)
}

/** What an entry of a document comes to; one that cannot be read does not take the others with it. */
export function attempt(read: () => SourceRecord): SourceRecord {
  try {
    return read()
  } catch (error) {
    return { problem: (error as Error).message }
  }
}

const cveForm = /^CVE-\d{4}-\d{4,12}$/

export function isCve(text: string): boolean {
  return cveForm.test(text)
}
