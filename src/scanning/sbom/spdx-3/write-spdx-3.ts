import type { InstalledPackage, Inventory, OperatingSystem } from '../../types.ts'
import { evidenceOf, sourcePackage } from '../package-evidence.ts'
import { spdxTime } from '../spdx-2/make-document.ts'
import type { SbomFormat, SbomSubject } from '../types.ts'
import { uuidOf } from '../uuid-of.ts'

type Element = Readonly<Record<string, unknown>>

const creationInfo = '_:creation'

/** SPDX 3.0.1, JSON-LD (annex "RDF serialization": one context, one flat graph). */
export const spdx3: SbomFormat = {
  name: 'spdx-3',
  mediaType: 'application/spdx+json',
  write: (subject, inventory) =>
    Promise.resolve(Buffer.from(`${JSON.stringify(makeGraph(subject, inventory), null, 2)}\n`)),
}

function makeGraph(subject: SbomSubject, inventory: Inventory): Element {
  const space = `urn:uuid:${uuidOf(`spdx-3.0.1 ${subject.digest ?? subject.name}`)}`
  const name = (part: string): string => `${space}#${part}`
  const packages = inventory.packages.map((found, index) =>
    describePackage(found, name(`Package-${index + 1}`)),
  )
  const notes = inventory.packages.map((found, index) =>
    describeEvidence(found, inventory, name(`Evidence-${index + 1}`), name(`Package-${index + 1}`)),
  )
  const system = inventory.operatingSystem
    ? [describeSystem(inventory.operatingSystem, name('OperatingSystem'))]
    : []
  const image = describeImage(subject, name('Image'))
  const contains = relate(name('Contains'), 'contains', image, [...system, ...packages])
  const sbom = {
    type: 'software_Sbom',
    spdxId: name('Sbom'),
    creationInfo,
    rootElement: [image['spdxId']],
    element: [image, ...system, ...packages, ...contains, ...notes].map(({ spdxId }) => spdxId),
    software_sbomType: ['analyzed'],
  }
  return {
    '@context': 'https://spdx.org/rdf/3.0.1/spdx-context.jsonld',
    '@graph': [
      ...describeCreation(subject, name),
      describeDocument(subject, name, sbom, space),
      sbom,
      image,
      ...system,
      ...packages,
      ...contains,
      ...relate(name('Describes'), 'describes', { spdxId: name('Document') }, [image]),
      ...notes,
    ],
  }
}

function describeCreation(subject: SbomSubject, name: (part: string) => string): readonly Element[] {
  return [
    {
      type: 'CreationInfo',
      '@id': creationInfo,
      specVersion: '3.0.1',
      created: spdxTime(subject.createdAt),
      createdBy: [name('Maker')],
      createdUsing: [name('Tool')],
    },
    { type: 'SoftwareAgent', spdxId: name('Maker'), creationInfo, name: 'pratique' },
    { type: 'Tool', spdxId: name('Tool'), creationInfo, name: 'pratique' },
  ]
}

function describeDocument(
  subject: SbomSubject,
  name: (part: string) => string,
  sbom: Element,
  space: string,
): Element {
  return {
    type: 'SpdxDocument',
    spdxId: name('Document'),
    creationInfo,
    name: subject.name,
    profileConformance: ['core', 'software'],
    namespaceMap: [{ type: 'NamespaceMap', prefix: 'this', namespace: `${space}#` }],
    rootElement: [sbom['spdxId']],
    element: [sbom['spdxId'], name('Maker'), name('Tool'), name('Describes')],
  }
}

function describeImage({ name, digest }: SbomSubject, spdxId: string): Element {
  const [algorithm, hashValue] = digest?.split(':', 2) ?? []
  const isKnown = algorithm === 'sha256' || algorithm === 'sha512'
  return {
    type: 'software_Package',
    spdxId,
    creationInfo,
    name,
    software_primaryPurpose: 'container',
    ...(digest === undefined ? {} : { software_packageVersion: digest }),
    ...(isKnown && hashValue ? { verifiedUsing: [{ type: 'Hash', algorithm, hashValue }] } : {}),
  }
}

function describeSystem({ id, versionId, prettyName }: OperatingSystem, spdxId: string): Element {
  return {
    type: 'software_Package',
    spdxId,
    creationInfo,
    name: id,
    ...(prettyName === '' ? {} : { summary: prettyName }),
    software_primaryPurpose: 'operatingSystem',
    ...(versionId === '' ? {} : { software_packageVersion: versionId }),
  }
}

function describePackage(found: InstalledPackage, spdxId: string): Element {
  const source = sourcePackage(found)
  return {
    type: 'software_Package',
    spdxId,
    creationInfo,
    name: found.name,
    software_primaryPurpose: 'library',
    software_packageVersion: found.version,
    software_packageUrl: found.purl,
    ...(source === undefined ? {} : { software_sourceInfo: `built package from: ${source}` }),
  }
}

function describeEvidence(
  found: InstalledPackage,
  inventory: Inventory,
  spdxId: string,
  subject: string,
): Element {
  return {
    type: 'Annotation',
    spdxId,
    creationInfo,
    annotationType: 'other',
    subject,
    contentType: 'application/json',
    statement: JSON.stringify(evidenceOf(found, inventory)),
  }
}

/** None at all where there is nothing on the other side: a relationship needs one (Relationship, `to`). */
function relate(
  spdxId: string,
  relationshipType: 'contains' | 'describes',
  from: Element,
  to: readonly Element[],
): readonly Element[] {
  if (to.length === 0) return []
  return [
    {
      type: 'Relationship',
      spdxId,
      creationInfo,
      relationshipType,
      from: from['spdxId'],
      to: to.map(({ spdxId }) => spdxId),
    },
  ]
}
