/** What a statement says of a product (OpenVEX 0.2.0, "Status Labels"). */
export const vexStatuses = ['not_affected', 'affected', 'fixed', 'under_investigation'] as const
export type VexStatus = (typeof vexStatuses)[number]

/** Why a product is not affected (OpenVEX 0.2.0, "Status Justifications"). */
export const justifications = [
  'component_not_present',
  'vulnerable_code_not_present',
  'vulnerable_code_not_in_execute_path',
  'vulnerable_code_cannot_be_controlled_by_adversary',
  'inline_mitigations_already_exist',
] as const
export type Justification = (typeof justifications)[number]

export const vexFormats = ['openvex', 'cyclonedx', 'csaf'] as const
export type VexFormat = (typeof vexFormats)[number]

/** What a statement is about. */
export interface VexProduct {
  /** A package URL, or the digest of an image. */
  readonly id: string
  /** Package URLs inside the product that the statement is limited to; none: all of the product. */
  readonly subcomponents: readonly string[]
}

/** One assertion, whichever format it came in. */
export interface VexStatement {
  readonly vulnerability: string
  readonly aliases: readonly string[]
  readonly status: VexStatus
  readonly justification?: Justification
  /** Empty only inside an attestation, where the attestation's subject is what is meant. */
  readonly products: readonly VexProduct[]
  readonly impactStatement?: string
  readonly actionStatement?: string
  readonly notes?: string
  readonly author: string
  /** Milliseconds since 1970; of two statements the later one holds. */
  readonly timestamp: number
}

/** A part of a document that says nothing we could use. */
export interface SkippedPart {
  readonly what: string
  readonly why: string
}

/** A VEX document as it was read. */
export interface VexDocument {
  readonly format: VexFormat
  readonly id: string
  readonly author: string
  readonly timestamp: number
  readonly statements: readonly VexStatement[]
  readonly skipped: readonly SkippedPart[]
}

/** What a document to be written is about. */
export interface VexDocumentToWrite {
  /** A UUID; the same for the same content. */
  readonly uuid: string
  readonly title: string
  readonly author: string
  /** Where the author is reached: the server's address. */
  readonly namespace: string
  readonly timestamp: number
  readonly statements: readonly VexStatement[]
}
