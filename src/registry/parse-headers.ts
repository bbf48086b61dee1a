import { RegistryFailure } from './failures.ts'
import type { ByteRange } from './types.ts'

/**
 * Reads a `Range` header for content of a size (RFC 9110, section 14.2). Undefined: no range, or a form that
 * may be ignored (another unit, several ranges). Throws RANGE_INVALID when it lies outside the content.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const isSuffix = match[1] === ''
  const first = isSuffix ? Math.max(0, size - Number(match[2])) : Number(match[1])
  const last = isSuffix || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1)
  if (!isSuffix && match[2] !== '' && Number(match[2]) < first) return undefined
  if (first >= size || (isSuffix && Number(match[2]) === 0)) {
    throw new RegistryFailure(
      'RANGE_INVALID',
      `the range ${header} lies outside the ${size} bytes of the blob`,
      {
        headers: { 'content-range': `bytes */${size}` },
      },
    )
  }
  return { first, last }
}

/**
 * Reads `Content-Range` of a chunk, `<first>-<last>` (distribution-spec, "Pushing a blob in chunks").
 * Undefined: none given. Throws BLOB_UPLOAD_INVALID when it has another form.
 */
export function parseContentRange(header: string | undefined): ByteRange | undefined {
  if (header === undefined) return undefined
  const match = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d{1,15}|\*))?$/.exec(header.trim())
  const range = match && { first: Number(match[1]), last: Number(match[2]) }
  if (!range || range.last < range.first) {
    throw new RegistryFailure(
      'BLOB_UPLOAD_INVALID',
      `Content-Range ${JSON.stringify(header)} is not <first>-<last>`,
    )
  }
  return range
}

/** Reads `n` of a list: undefined when not given. Throws PAGE_INVALID when it is not a number. */
export function parsePageSize(text: string | null): number | undefined {
  if (text === null) return undefined
  if (!/^\d{1,9}$/.test(text)) {
    throw new RegistryFailure(
      'PAGE_INVALID',
      `n=${JSON.stringify(text.slice(0, 40))} is not a number of entries`,
    )
  }
  return Number(text)
}
