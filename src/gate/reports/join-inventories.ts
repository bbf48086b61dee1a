import type { Finding, InstalledPackage, Inventory } from '../../scanning/offline.ts'
import type { GateResult } from '../types.ts'
import { findingsOf, imagesOf } from './tell-findings.ts'

/** The packages of all images of a result in one inventory, and which package each finding is of. */
export interface JoinedInventory {
  readonly inventory: Inventory
  /** Without findings in packages that a later layer removed: those are in no list of packages. */
  readonly findings: readonly { readonly finding: Finding; readonly found: InstalledPackage }[]
}

export function joinInventories(result: GateResult): JoinedInventory {
  const layers: Inventory['layers'][number][] = []
  const packages: InstalledPackage[] = []
  const findings: { finding: Finding; found: InstalledPackage }[] = []
  const images = imagesOf(result)
  for (const image of images) {
    const before = layers.length
    for (const layer of image.inventory?.layers ?? []) layers.push(layer)
    const places = new Map<string, InstalledPackage>()
    const add = (found: InstalledPackage): InstalledPackage => {
      const moved = { ...found, layer: found.layer + before }
      packages.push(moved)
      places.set(`${found.purl} ${found.path}`, moved)
      return moved
    }
    for (const found of image.inventory?.packages ?? []) add(found)
    for (const finding of findingsOf(image)) {
      if (finding.removedBy) continue
      const found = places.get(`${finding.purl} ${finding.path}`) ?? add(packageOf(finding))
      findings.push({ finding, found })
    }
  }
  return { inventory: { ...systemOf(images), layers, packages, unknowns: [] }, findings }
}

/** A result that came without its list of packages still names those that have findings. */
function packageOf(finding: Finding): InstalledPackage {
  return {
    type: finding.packageType,
    name: finding.packageName,
    version: finding.installedVersion,
    purl: finding.purl,
    path: finding.path,
    layer: finding.layer,
  }
}

/** One only where all images have the same. */
function systemOf(images: readonly GateResult[]): Pick<Inventory, 'operatingSystem'> {
  const systems = images.map((image) => image.inventory?.operatingSystem)
  const isSame = systems.every(
    (one) => one?.id === systems[0]?.id && one?.versionId === systems[0]?.versionId,
  )
  return isSame && systems[0] ? { operatingSystem: systems[0] } : {}
}
