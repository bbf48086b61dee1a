import { ScanningFailure } from '../../failures.ts'
import { PackageCollection } from '../collect-packages.ts'
import { asObject, asObjects, asText, asTexts, type Loose } from '../json-values.ts'
import type { PackageEvidence } from '../package-evidence.ts'
import { readSourceInfo } from '../source-info.ts'
import { readEvidence } from '../spdx-2/read-spdx-2.ts'
import type { ReadSbom } from '../types.ts'

/** An SPDX 3.0 document in its JSON-LD form. Throws SBOM_INVALID. */
export function readSpdx3(document: Loose): ReadSbom {
  const graph = asObjects(document['@graph'])
  const specVersion = asText(graph.find(({ type }) => type === 'CreationInfo')?.['specVersion'])
  if (!specVersion.startsWith('3.0.')) {
    throw new ScanningFailure('SBOM_INVALID', `SPDX ${specVersion || 'without specVersion'} is not read`)
  }
  const collection = new PackageCollection()
  const evidence = readStatements(graph)
  for (const element of graph) {
    collection.count()
    if (element['type'] !== 'software_Package') continue
    readPackage(element, evidence.get(asText(element['spdxId'])) ?? {}, collection)
  }
  const about = graph.find(({ type }) => type === 'SpdxDocument')
  return collection.finish({ format: 'spdx', specVersion, name: asText(about?.['name']) })
}

/** What annotations of ours say of packages. */
function readStatements(graph: readonly Loose[]): ReadonlyMap<string, Partial<PackageEvidence>> {
  return new Map(
    graph
      .filter(({ type, contentType }) => type === 'Annotation' && contentType === 'application/json')
      .map(({ subject, statement }) => [asText(subject), readEvidence(asText(statement))]),
  )
}

function readPackage(
  element: Loose,
  evidence: Partial<PackageEvidence>,
  collection: PackageCollection,
): void {
  const purposes = [
    asText(element['software_primaryPurpose']),
    ...asTexts(element['software_additionalPurpose']),
  ]
  if (purposes.includes('operatingSystem')) {
    collection.setSystem({
      id: asText(element['name']),
      versionId: asText(element['software_packageVersion']),
      prettyName: asText(element['summary']),
    })
    return
  }
  if (purposes.includes('container')) return
  const source = readSourceInfo(asText(element['software_sourceInfo']))
  collection.add(purlOf(element), { ...source, ...evidence })
}

function purlOf(element: Loose): string {
  const stated = asText(element['software_packageUrl'])
  if (stated !== '') return stated
  const identifiers = asObjects(element['externalIdentifier']).map(asObject)
  return asText(
    identifiers.find(({ externalIdentifierType }) => externalIdentifierType === 'packageUrl')?.['identifier'],
  )
}
