import { createHash } from 'node:crypto'
import { maximumPredicateLength, type PredicateText } from './types.ts'

const known = new WeakMap<object, PredicateText | string>()

/** The JSON of a predicate; text says why there is none. Written once, however many conditions ask about it. */
export function textOfPredicate(predicate: unknown): PredicateText | string {
  if (typeof predicate !== 'object' || predicate === null) return write(predicate)
  const text = known.get(predicate) ?? write(predicate)
  known.set(predicate, text)
  return text
}

function write(predicate: unknown): PredicateText | string {
  let json: string
  try {
    json = JSON.stringify(predicate ?? null)
  } catch (error) {
    return `the attestation cannot be read: ${(error as Error).message}`
  }
  if (json.length > maximumPredicateLength) {
    return `the attestation has ${json.length} characters, more than ${maximumPredicateLength}`
  }
  return { json, digest: createHash('sha256').update(json).digest('base64') }
}
