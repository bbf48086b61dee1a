import type * as Library from '@cyclonedx/cyclonedx-library'
import type { InstalledPackage, Inventory } from '../../types.ts'
import { evidenceOf } from '../package-evidence.ts'
import type { SbomSubject } from '../types.ts'
import { uuidOf } from '../uuid-of.ts'

type CycloneDx = typeof Library

/** Loaded when the first SBOM is made: it takes 20 MB that a registry without scans need not hold. */
export async function loadCycloneDx(): Promise<CycloneDx> {
  return import('@cyclonedx/cyclonedx-library')
}

/** A document of the library's, and which component is which package of the inventory. */
export interface Bom {
  readonly bom: Library.Models.Bom
  readonly components: ReadonlyMap<InstalledPackage, Library.Models.Component>
}

/** The inventory as a CycloneDX document, to be added to before it is written. */
export function makeBom(library: CycloneDx, subject: SbomSubject, inventory: Inventory): Bom {
  const { Models, Enums } = library
  const identity = subject.digest ?? subject.name
  const bom = new Models.Bom({ version: 1, serialNumber: `urn:uuid:${uuidOf(identity)}` })
  const image = new Models.Component(Enums.ComponentType.Container, subject.name, {
    bomRef: identity,
    version: identity,
  })
  bom.metadata.component = image
  addOperatingSystem(library, bom, image, inventory)
  const components = new Map<InstalledPackage, Library.Models.Component>()
  for (const [index, found] of inventory.packages.entries()) {
    const component = makeComponent(library, inventory, found, `${found.purl}#${index}`)
    bom.components.add(component)
    image.dependencies.add(component.bomRef)
    components.set(found, component)
  }
  return { bom, components }
}

/** The bytes of a document: CycloneDX 1.6, lists in one order. */
export function serialiseBom(library: CycloneDx, bom: Library.Models.Bom): Buffer {
  const normalise = new library.Serialize.JSON.Normalize.Factory(library.Spec.Spec1dot6)
  return Buffer.from(new library.Serialize.JsonSerializer(normalise).serialize(bom, { sortLists: true }))
}

function addOperatingSystem(
  { Models, Enums }: CycloneDx,
  bom: Library.Models.Bom,
  image: Library.Models.Component,
  { operatingSystem }: Inventory,
): void {
  if (!operatingSystem) return
  const component = new Models.Component(Enums.ComponentType.OperatingSystem, operatingSystem.id, {
    bomRef: `os:${operatingSystem.id}`,
    version: operatingSystem.versionId,
    description: operatingSystem.prettyName,
  })
  bom.components.add(component)
  image.dependencies.add(component.bomRef)
}

function makeComponent(
  { Models, Enums }: CycloneDx,
  inventory: Inventory,
  found: InstalledPackage,
  bomRef: string,
): Library.Models.Component {
  const properties = Object.entries(evidenceOf(found, inventory)).map(
    ([name, value]) => new Models.Property(`pratique:${name}`, value as string),
  )
  return new Models.Component(Enums.ComponentType.Library, found.name, {
    bomRef,
    version: found.version,
    purl: found.purl,
    properties: new Models.PropertyRepository(properties),
  })
}
