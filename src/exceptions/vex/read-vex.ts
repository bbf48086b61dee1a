import { JsonError, parseStrictJson } from '../../kernel/json.ts'
import { isCsaf, readCsaf } from './csaf.ts'
import { isCycloneDx, readCycloneDxVex } from './cyclonedx.ts'
import { invalidVex, maximumDocumentBytes } from './limits.ts'
import { isOpenVex, readOpenVex, writeOpenVex } from './openvex.ts'
import type { VexDocument, VexDocumentToWrite, VexFormat } from './types.ts'
import { writeCsaf } from './write-csaf.ts'
import { writeCycloneDxVex } from './write-cyclonedx.ts'

/** Reads a VEX document of any of the formats. Throws VEX_INVALID that says what is wrong with it. */
export function readVex(text: string): VexDocument {
  if (text.length > maximumDocumentBytes) throw invalidVex(`it is larger than ${maximumDocumentBytes} bytes`)
  return readVexDocument(parse(text))
}

/** Reads one that was parsed already, such as the predicate of an attestation. */
export function readVexDocument(document: unknown): VexDocument {
  if (typeof document !== 'object' || document === null) throw invalidVex('it is no JSON object')
  const fields = document as Readonly<Record<string, unknown>>
  if (isOpenVex(fields)) return readOpenVex(document)
  if (isCycloneDx(fields)) return readCycloneDxVex(document)
  if (isCsaf(fields)) return readCsaf(document)
  throw invalidVex('it is neither OpenVEX nor CycloneDX nor CSAF')
}

function parse(text: string): unknown {
  try {
    return parseStrictJson(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    if (error instanceof JsonError) throw invalidVex(error.message)
    throw error
  }
}

/** The writer of each format. */
export const writeVex: Readonly<Record<VexFormat, (document: VexDocumentToWrite) => object>> = {
  openvex: writeOpenVex,
  cyclonedx: writeCycloneDxVex,
  csaf: writeCsaf,
}
