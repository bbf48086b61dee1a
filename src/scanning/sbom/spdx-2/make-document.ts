import type { InstalledPackage, Inventory, OperatingSystem } from '../../types.ts'
import { evidenceOf, sourcePackage } from '../package-evidence.ts'
import type { SbomSubject } from '../types.ts'
import { uuidOf } from '../uuid-of.ts'
import type { SpdxDocument, SpdxExternalReference, SpdxPackage } from './types.ts'

/** Further references of a package, such as advisories. */
export type ReferencesOf = (found: InstalledPackage) => readonly SpdxExternalReference[]

const annotator = 'Tool: pratique'

/** SPDX 2.3 asks for a time (6.9); without one it is the epoch, so that an image has one document. */
export function spdxTime(createdAt = new Date(0)): string {
  return createdAt.toISOString().replace(/\.\d+Z$/, 'Z')
}

/** The inventory as an SPDX 2.3 document: it describes the image, and the image contains the packages. */
export function makeSpdxDocument(
  subject: SbomSubject,
  inventory: Inventory,
  referencesOf: ReferencesOf = () => [],
): SpdxDocument {
  const created = spdxTime(subject.createdAt)
  const contents = [
    ...(inventory.operatingSystem ? [describeSystem(inventory.operatingSystem)] : []),
    ...inventory.packages.map((found, index) =>
      describePackage(found, index, inventory, created, referencesOf(found)),
    ),
  ]
  const image = describeImage(subject)
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: subject.name,
    documentNamespace: `urn:uuid:${uuidOf(`spdx-2.3 ${subject.digest ?? subject.name}`)}`,
    creationInfo: { created, creators: [annotator] },
    packages: [image, ...contents],
    relationships: [
      {
        spdxElementId: 'SPDXRef-DOCUMENT',
        relationshipType: 'DESCRIBES',
        relatedSpdxElement: image.SPDXID,
      },
      ...contents.map(({ SPDXID }) => ({
        spdxElementId: image.SPDXID,
        relationshipType: 'CONTAINS' as const,
        relatedSpdxElement: SPDXID,
      })),
    ],
  }
}

/** What we have not looked into: where a package could be had from, its licence, its copyright. */
const notLookedInto = {
  downloadLocation: 'NOASSERTION',
  filesAnalyzed: false,
  licenseConcluded: 'NOASSERTION',
  licenseDeclared: 'NOASSERTION',
  copyrightText: 'NOASSERTION',
} as const

function describeImage({ name, digest }: SbomSubject): SpdxPackage {
  const [algorithm, value] = digest?.split(':', 2) ?? []
  const isKnown = algorithm === 'sha256' || algorithm === 'sha512'
  return {
    SPDXID: 'SPDXRef-Image',
    name,
    ...(digest === undefined ? {} : { versionInfo: digest }),
    primaryPackagePurpose: 'CONTAINER',
    ...notLookedInto,
    ...(isKnown && value
      ? { checksums: [{ algorithm: algorithm.toUpperCase(), checksumValue: value }] }
      : {}),
  }
}

function describeSystem({ id, versionId, prettyName }: OperatingSystem): SpdxPackage {
  return {
    SPDXID: 'SPDXRef-OperatingSystem',
    name: id,
    ...(versionId === '' ? {} : { versionInfo: versionId }),
    ...(prettyName === '' ? {} : { summary: prettyName }),
    primaryPackagePurpose: 'OPERATING_SYSTEM',
    ...notLookedInto,
  }
}

function describePackage(
  found: InstalledPackage,
  index: number,
  inventory: Inventory,
  created: string,
  references: readonly SpdxExternalReference[],
): SpdxPackage {
  const source = sourcePackage(found)
  const comment = JSON.stringify(evidenceOf(found, inventory))
  return {
    SPDXID: `SPDXRef-Package-${index + 1}`,
    name: found.name,
    versionInfo: found.version,
    primaryPackagePurpose: 'LIBRARY',
    ...notLookedInto,
    // The words that other scanners write and look for here.
    ...(source === undefined ? {} : { sourceInfo: `built package from: ${source}` }),
    externalRefs: [
      { referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: found.purl },
      ...references,
    ],
    annotations: [{ annotationType: 'OTHER', annotator, annotationDate: created, comment }],
  }
}
