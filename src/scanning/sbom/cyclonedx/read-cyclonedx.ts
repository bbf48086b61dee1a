import { ScanningFailure } from '../../failures.ts'
import { PackageCollection } from '../collect-packages.ts'
import { asObject, asObjects, asText, type Loose } from '../json-values.ts'
import type { PackageEvidence } from '../package-evidence.ts'
import type { ReadSbom } from '../types.ts'

const versions = ['1.2', '1.3', '1.4', '1.5', '1.6', '1.7']

/** A CycloneDX document (1.2 to 1.7) that is JSON already. Throws SBOM_INVALID. */
export function readCycloneDx(document: Loose): ReadSbom {
  const specVersion = asText(document['specVersion'])
  if (!versions.includes(specVersion)) {
    throw new ScanningFailure('SBOM_INVALID', `CycloneDX ${specVersion || 'without specVersion'} is not read`)
  }
  const collection = new PackageCollection()
  // Components nest; the depth of the JSON is bounded already.
  const open = [...asObjects(document['components'])].toReversed()
  for (let component = open.pop(); component; component = open.pop()) {
    collection.count()
    readComponent(component, collection)
    for (const inner of asObjects(component['components'])) open.push(inner)
  }
  const about = asObject(asObject(document['metadata'])['component'])
  return collection.finish({ format: 'cyclonedx', specVersion, name: asText(about['name']) })
}

/** What is no package: files, devices, data, and containers that are described elsewhere. */
const otherTypes = new Set(['file', 'container', 'device', 'data', 'cryptographic-asset'])

function readComponent(component: Loose, collection: PackageCollection): void {
  const type = asText(component['type'])
  if (type === 'operating-system') {
    collection.setSystem({
      id: asText(component['name']),
      versionId: asText(component['version']),
      prettyName: asText(component['description']),
    })
    return
  }
  const purl = asText(component['purl'])
  if (purl === '' && otherTypes.has(type)) return
  collection.add(purl, evidenceIn(component))
}

/** Scanners put what the format has no place for into properties, each under its own names. */
function evidenceIn(component: Loose): Partial<PackageEvidence> {
  const properties = new Map(
    asObjects(component['properties']).map(({ name, value }) => [asText(name), asText(value)]),
  )
  const first = (...names: readonly string[]): string | undefined =>
    names.map((name) => properties.get(name)).find((value) => value)
  const wanted: Partial<Record<keyof PackageEvidence, string | undefined>> = {
    path: first('pratique:path', 'syft:location:0:path', 'aquasecurity:trivy:FilePath') ?? fileIn(component),
    layer: first('pratique:layer', 'aquasecurity:trivy:LayerDigest'),
    diffId: first('pratique:diffId', 'aquasecurity:trivy:LayerDiffID', 'syft:location:0:layerID'),
    sourceName: first(
      'pratique:sourceName',
      'aquasecurity:trivy:SrcName',
      'syft:metadata:source',
      'syft:metadata:originPackage',
    ),
    sourceVersion: first('pratique:sourceVersion', 'syft:metadata:sourceVersion') ?? trivySource(properties),
    module: first('pratique:module', 'aquasecurity:trivy:Modularitylabel'),
    vendor: first('pratique:vendor'),
  }
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined))
}

/** CycloneDX 1.5, `evidence.occurrences`. */
function fileIn(component: Loose): string | undefined {
  const [occurrence] = asObjects(asObject(component['evidence'])['occurrences'])
  return asText(occurrence?.['location']) || undefined
}

function trivySource(properties: ReadonlyMap<string, string>): string | undefined {
  const part = (name: string): string | undefined => properties.get(`aquasecurity:trivy:Src${name}`)
  const version = part('Version')
  if (!version) return undefined
  const [epoch, release] = [part('Epoch'), part('Release')]
  return `${epoch && epoch !== '0' ? `${epoch}:` : ''}${version}${release ? `-${release}` : ''}`
}
