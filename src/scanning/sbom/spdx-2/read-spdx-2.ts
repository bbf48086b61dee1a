import { ScanningFailure } from '../../failures.ts'
import { PackageCollection } from '../collect-packages.ts'
import { asObject, asObjects, asText, asTexts, type Loose } from '../json-values.ts'
import type { PackageEvidence } from '../package-evidence.ts'
import { readSourceInfo } from '../source-info.ts'
import type { ReadSbom } from '../types.ts'

const versions = ['SPDX-2.2', 'SPDX-2.3']

/** An SPDX document, 2.2 or 2.3, that is JSON already. Throws SBOM_INVALID. */
export function readSpdx2(document: Loose): ReadSbom {
  const specVersion = asText(document['spdxVersion'])
  if (!versions.includes(specVersion)) {
    throw new ScanningFailure('SBOM_INVALID', `${specVersion || 'SPDX without spdxVersion'} is not read`)
  }
  const collection = new PackageCollection()
  const described = describedBy(document)
  for (const one of asObjects(document['packages'])) {
    collection.count()
    readPackage(one, described, collection)
  }
  return collection.finish({
    format: 'spdx',
    specVersion: specVersion.slice('SPDX-'.length),
    name: asText(document['name']),
  })
}

/** The elements that the document is about: the image is none of its own packages. */
function describedBy(document: Loose): ReadonlySet<string> {
  const related = asObjects(document['relationships'])
    .filter(({ relationshipType }) => relationshipType === 'DESCRIBES')
    .map(({ relatedSpdxElement }) => asText(relatedSpdxElement))
  return new Set([...related, ...asTexts(document['documentDescribes'])])
}

function readPackage(one: Loose, described: ReadonlySet<string>, collection: PackageCollection): void {
  const purpose = asText(one['primaryPackagePurpose']).replace('-', '_')
  if (purpose === 'OPERATING_SYSTEM') {
    collection.setSystem({
      id: asText(one['name']),
      versionId: asText(one['versionInfo']),
      prettyName: asText(one['summary']),
    })
    return
  }
  const purl = asObjects(one['externalRefs']).find(({ referenceType }) => referenceType === 'purl')
  const isOther = purpose === 'CONTAINER' || purpose === 'APPLICATION' || purpose === 'FILE'
  if (!purl && (isOther || described.has(asText(one['SPDXID'])))) return
  if (purpose === 'CONTAINER') return
  collection.add(asText(purl?.['referenceLocator']), {
    ...readSourceInfo(asText(one['sourceInfo'])),
    ...readAttributions(asTexts(one['attributionTexts'])),
    ...readAnnotations(asObjects(one['annotations'])),
  })
}

/** Trivy writes `LayerDigest: sha256:…` where credits belong. */
function readAttributions(texts: readonly string[]): Partial<PackageEvidence> {
  const value = (name: string): string | undefined =>
    texts.find((text) => text.startsWith(`${name}: `))?.slice(name.length + 2)
  const [layer, diffId] = [value('LayerDigest'), value('LayerDiffID')]
  return { ...(layer ? { layer } : {}), ...(diffId ? { diffId } : {}) }
}

function readAnnotations(annotations: readonly Loose[]): Partial<PackageEvidence> {
  const ours = annotations.find(({ annotator }) => annotator === 'Tool: pratique')
  return ours ? readEvidence(asText(ours['comment'])) : {}
}

/** The evidence that we write as JSON. */
export function readEvidence(text: string): Partial<PackageEvidence> {
  try {
    const evidence = asObject(JSON.parse(text))
    return Object.fromEntries(
      ['path', 'layer', 'diffId', 'sourceName', 'sourceVersion', 'module', 'vendor']
        .map((name) => [name, asText(evidence[name])])
        .filter(([, value]) => value !== ''),
    )
  } catch {
    return {}
  }
}
