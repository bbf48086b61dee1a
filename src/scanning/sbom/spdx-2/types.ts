/** The part of SPDX 2.3 (annex "JSON schema") that we write. */
export interface SpdxDocument {
  readonly spdxVersion: 'SPDX-2.3'
  readonly dataLicense: 'CC0-1.0'
  readonly SPDXID: 'SPDXRef-DOCUMENT'
  readonly name: string
  readonly documentNamespace: string
  readonly creationInfo: { readonly created: string; readonly creators: readonly string[] }
  readonly packages: readonly SpdxPackage[]
  readonly relationships: readonly SpdxRelationship[]
}

export interface SpdxPackage {
  readonly SPDXID: string
  readonly name: string
  readonly versionInfo?: string
  readonly downloadLocation: string
  readonly filesAnalyzed: false
  readonly primaryPackagePurpose: 'CONTAINER' | 'OPERATING_SYSTEM' | 'LIBRARY'
  readonly licenseConcluded: string
  readonly licenseDeclared: string
  readonly copyrightText: string
  readonly summary?: string
  readonly sourceInfo?: string
  readonly checksums?: readonly { readonly algorithm: string; readonly checksumValue: string }[]
  readonly externalRefs?: readonly SpdxExternalReference[]
  readonly annotations?: readonly SpdxAnnotation[]
}

export interface SpdxExternalReference {
  readonly referenceCategory: 'PACKAGE-MANAGER' | 'SECURITY'
  readonly referenceType: 'purl' | 'advisory'
  readonly referenceLocator: string
  readonly comment?: string
}

export interface SpdxAnnotation {
  readonly annotationType: 'OTHER'
  readonly annotator: string
  readonly annotationDate: string
  readonly comment: string
}

export interface SpdxRelationship {
  readonly spdxElementId: string
  readonly relationshipType: 'DESCRIBES' | 'CONTAINS'
  readonly relatedSpdxElement: string
}
