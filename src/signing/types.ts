/** What is known of an image's signatures. */
export interface SignatureReport {
  /** `verified`: at least one good signature of a trusted key; `untrusted`: signatures, but none of them. */
  readonly status: 'verified' | 'unsigned' | 'untrusted' | 'malformed' | 'unavailable'
  /** Names of the trusted keys that signed. */
  readonly keys: readonly string[]
  readonly signatures: readonly SignatureEvidence[]
}

export interface SignatureEvidence {
  readonly status: 'verified' | 'untrusted' | 'malformed'
  readonly key?: string
  /** `critical.identity.docker-reference`: what the signer called the image; cosign checks it no further. */
  readonly reference?: string
  readonly why?: string
}
