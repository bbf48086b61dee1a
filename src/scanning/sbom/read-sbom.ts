import { JsonError, parseStrictJson } from '../../kernel/json.ts'
import { ScanningFailure } from '../failures.ts'
import { readCycloneDx } from './cyclonedx/read-cyclonedx.ts'
import { asObject, type Loose } from './json-values.ts'
import { parseTagValue } from './spdx-2/parse-tag-value.ts'
import { readSpdx2 } from './spdx-2/read-spdx-2.ts'
import { readSpdx3 } from './spdx-3/read-spdx-3.ts'
import type { ReadSbom } from './types.ts'

export const maximumSbomBytes = 64 * 1024 * 1024

const maximumDepth = 64

/**
 * Reads an SBOM of anybody's: CycloneDX 1.2 to 1.7 and SPDX 3.0 as JSON, SPDX 2.2 and 2.3 as JSON or tag-value.
 * Throws SBOM_INVALID for anything else.
 */
export function readSbom(bytes: Uint8Array): ReadSbom {
  const text = decode(bytes)
  const start = text.trimStart().slice(0, 1)
  if (start === '<') throw invalid('it is XML; only the JSON forms of CycloneDX and SPDX are read')
  if (start !== '{' && /^SPDXVersion:/m.test(text.slice(0, 4096))) return readSpdx2(parseTagValue(text))
  const document = parse(text)
  if (document['bomFormat'] === 'CycloneDX') return readCycloneDx(document)
  if (document['spdxVersion'] !== undefined) return readSpdx2(document)
  if (isSpdx3(document)) return readSpdx3(document)
  throw invalid('it is neither CycloneDX nor SPDX')
}

function decode(bytes: Uint8Array): string {
  if (bytes.byteLength > maximumSbomBytes) throw invalid(`it is larger than ${maximumSbomBytes} bytes`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw invalid('it is not UTF-8')
  }
}

function parse(text: string): Loose {
  try {
    return asObject(parseStrictJson(text, maximumDepth))
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw invalid(`it is ${error.message.startsWith('not ') ? '' : 'no JSON that is read: '}${error.message}`)
  }
}

function isSpdx3(document: Loose): boolean {
  const contexts = [document['@context']].flat()
  return contexts.some((one) => typeof one === 'string' && one.startsWith('https://spdx.org/rdf/3.0'))
}

function invalid(why: string): ScanningFailure {
  return new ScanningFailure('SBOM_INVALID', `the SBOM cannot be read: ${why}`)
}
