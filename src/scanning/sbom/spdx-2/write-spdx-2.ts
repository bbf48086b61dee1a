import type { SbomFormat } from '../types.ts'
import { makeSpdxDocument } from './make-document.ts'

/** SPDX 2.3 (ISO/IEC 5962 and what followed it), JSON. */
export const spdx2: SbomFormat = {
  name: 'spdx',
  mediaType: 'application/spdx+json',
  write: (subject, inventory) =>
    Promise.resolve(Buffer.from(`${JSON.stringify(makeSpdxDocument(subject, inventory), null, 2)}\n`)),
}
