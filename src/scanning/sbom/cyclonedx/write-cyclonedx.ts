import type { SbomFormat } from '../types.ts'
import { loadCycloneDx, makeBom, serialiseBom } from './make-bom.ts'

/** CycloneDX 1.6, JSON. */
export const cycloneDx: SbomFormat = {
  name: 'cyclonedx',
  mediaType: 'application/vnd.cyclonedx+json',
  async write(subject, inventory) {
    const library = await loadCycloneDx()
    return serialiseBom(library, makeBom(library, subject, inventory).bom)
  },
}
