import { ExceptionFailure } from '../failures.ts'
import type { SkippedPart } from './types.ts'

export const maximumDocumentBytes = 8 * 1024 * 1024
const maximumStatements = 20_000
const maximumProducts = 100_000
const maximumSkipped = 200
const maximumTextLength = 2_000

/** Gathers what a reader finds in a document and refuses one that grows beyond all use. */
export class Collected<Item extends { readonly products: readonly unknown[] }> {
  readonly statements: Item[] = []
  readonly skipped: SkippedPart[] = []
  #products = 0

  add(statement: Item): void {
    this.statements.push(statement)
    this.#products += statement.products.length
    if (this.statements.length > maximumStatements || this.#products > maximumProducts) {
      throw invalidVex(
        `it has more than ${maximumStatements} statements or names more than ${maximumProducts} products`,
      )
    }
  }

  skip(what: string, why: string): void {
    if (this.skipped.length < maximumSkipped) this.skipped.push({ what: shorten(what, 200), why })
  }
}

/** Free text of others, cut to what can be shown. */
export function shorten(text: string, length = maximumTextLength): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text
}

/** Milliseconds since 1970 of the first text given. Throws VEX_INVALID when it is not a time. */
export function timeOf(...texts: readonly (string | undefined)[]): number {
  const text = texts.find((one) => one !== undefined)
  const time = text === undefined ? Number.NaN : Date.parse(text)
  if (Number.isNaN(time)) throw invalidVex(`${JSON.stringify(text?.slice(0, 80) ?? null)} is not a time`)
  return time
}

export function invalidVex(why: string): ExceptionFailure {
  return new ExceptionFailure('VEX_INVALID', `the VEX document is not valid: ${why}`)
}
