import { createHash } from 'node:crypto'
import { PackageURL } from 'packageurl-js'
import type { Inventory } from '../types.ts'

/**
 * The inventory as a CycloneDX 1.6 document. The same image always gives the same bytes: its serial number
 * comes from the digest, and there is no time in it.
 */
export async function makeSbom(digest: string, inventory: Inventory): Promise<Buffer> {
  // Loaded when the first SBOM is made: it takes 20 MB that a registry without scans need not hold.
  const CycloneDX = await import('@cyclonedx/cyclonedx-library')
  const bom = new CycloneDX.Models.Bom({ version: 1, serialNumber: `urn:uuid:${uuidOf(digest)}` })
  bom.metadata.component = new CycloneDX.Models.Component(CycloneDX.Enums.ComponentType.Container, digest, {
    bomRef: digest,
    version: digest,
  })
  const system = inventory.operatingSystem
  if (system) {
    bom.components.add(
      new CycloneDX.Models.Component(CycloneDX.Enums.ComponentType.OperatingSystem, system.id, {
        bomRef: `os:${system.id}`,
        version: system.versionId,
        description: system.prettyName,
      }),
    )
  }
  for (const [index, found] of inventory.packages.entries()) {
    const layer = inventory.layers[found.layer]
    bom.components.add(
      new CycloneDX.Models.Component(CycloneDX.Enums.ComponentType.Library, found.name, {
        bomRef: `${found.purl}#${index}`,
        version: found.version,
        purl: PackageURL.fromString(found.purl) as never,
        properties: new CycloneDX.Models.PropertyRepository([
          new CycloneDX.Models.Property('pratique:path', found.path),
          new CycloneDX.Models.Property('pratique:layer', layer?.digest ?? ''),
          new CycloneDX.Models.Property('pratique:diffId', layer?.diffId ?? ''),
        ]),
      }),
    )
  }
  const serialiser = new CycloneDX.Serialize.JsonSerializer(
    new CycloneDX.Serialize.JSON.Normalize.Factory(CycloneDX.Spec.Spec1dot6),
  )
  return Buffer.from(serialiser.serialize(bom, { sortLists: true }))
}

/** A UUID (RFC 9562, version 8: made by a rule of our own) out of a digest. */
function uuidOf(digest: string): string {
  const hex = createHash('sha256').update(digest).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
