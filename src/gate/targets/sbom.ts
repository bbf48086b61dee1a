import { open, readFile, stat } from 'node:fs/promises'
import { readSbom, toInventory } from '../../scanning/offline.ts'
import { invalid } from './layout-images.ts'
import type { TargetKind } from './types.ts'

const maximumBytes = 64 * 1024 * 1024
const headBytes = 64 * 1024

/** An SBOM that somebody made: CycloneDX or SPDX. What it does not name is not known to be absent. */
export const sbom: TargetKind = {
  name: 'sbom',
  help: 'SBOM in CycloneDX or SPDX form (JSON, or SPDX tag-value)',
  async fits(path) {
    if (!/\.(json|spdx)$/.test(path) || !(await stat(path).catch(() => undefined))?.isFile()) return false
    return /"bomFormat"|"spdxVersion"|SPDXVersion:|spdx\.org\/rdf\/3/.test(await readHead(path))
  },
  async open(location) {
    const found = await stat(location).catch(() => undefined)
    if (!found?.isFile()) throw invalid(`${location} is no file`)
    if (found.size > maximumBytes) throw invalid(`${location} has ${found.size} bytes, too many for an SBOM`)
    const read = readSbom(await readFile(location))
    return {
      kind: this.name,
      name: read.name === '' ? location : read.name,
      images: [{ readInventory: async () => toInventory(read) }],
      close: async () => {},
    }
  },
}

async function readHead(path: string): Promise<string> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}
