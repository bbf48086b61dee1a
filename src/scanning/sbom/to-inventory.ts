import type { InstalledPackage, Inventory, LayerOrigin } from '../types.ts'
import type { ReadSbom, SbomPackage } from './types.ts'

/** What an SBOM tells, as an inventory that can be matched. What it left out is unknown, never absent. */
export function toInventory(sbom: ReadSbom): Inventory {
  const layers: LayerOrigin[] = []
  const places = new Map<string, number>()
  const packages = sbom.packages.map((found): InstalledPackage => {
    const { layerDigest: _digest, diffId: _diffId, ...rest } = found
    return { ...rest, layer: placeOf(found, layers, places) }
  })
  return {
    ...(sbom.operatingSystem ? { operatingSystem: sbom.operatingSystem } : {}),
    layers,
    packages,
    unknowns: sbom.notes.map((reason) => ({ path: sbom.name, reason })),
  }
}

/** A package whose layer is not told is in one of its own, that has no name. */
function placeOf(found: SbomPackage, layers: LayerOrigin[], places: Map<string, number>): number {
  const digest = found.layerDigest ?? found.diffId ?? ''
  const known = places.get(digest)
  if (known !== undefined) return known
  layers.push({ digest, diffId: found.diffId ?? '' })
  places.set(digest, layers.length - 1)
  return layers.length - 1
}
