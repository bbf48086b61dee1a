import type { KeyObject } from 'node:crypto'
import type { Digest } from '../kernel/digest.ts'
import type { Descriptor } from '../kernel/media-types.ts'

/** The forms in which a signature or an attestation can hang on an image. */
export const formatNames = ['cosign-legacy', 'sigstore-bundle', 'notation', 'openpgp'] as const
export type FormatName = (typeof formatNames)[number]

/** Public key algorithms that are understood; RSA from 2048 bits on. */
export const keyAlgorithms = ['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'ed25519', 'rsa'] as const
export type KeyAlgorithm = (typeof keyAlgorithms)[number]

/** The claim of a plain signature; every other claim is the predicate type of an attestation. */
export const signatureClaim = 'signature'

/**
 * `active` signs and counts; `verify-only` still counts while its successor takes over; `revoked` counts only
 * for what is proven to be older than `revokedFrom`; `compromised` counts for nothing.
 */
export const signerStates = ['active', 'verify-only', 'revoked', 'compromised'] as const
export type SignerState = (typeof signerStates)[number]

/** Somebody whose word can count: a named object of the organisation. */
export interface Signer {
  readonly name: string
  readonly identity: SignerIdentity
  readonly state: SignerState
  /** Milliseconds since the epoch, as are all times here. */
  readonly revokedFrom?: number
  /** From then on only what is proven to be older counts. */
  readonly expiresAt?: number
  /** The signer by whose name it goes in policies, as a successor does, or a key of before. */
  readonly countsAs?: string
}

export type SignerIdentity = KeyIdentity | CertificateIdentity | NotationIdentity | OpenpgpIdentity

/** A long-lived key. */
export interface KeyIdentity {
  readonly kind: 'key'
  /** SPKI in PEM. */
  readonly publicKey: string
  /** Sigstore `trusted_root.json`: the logs and timestamp authorities that can prove a time for this key. */
  readonly trustedRoot?: string
}

/** Whoever holds a certificate with this name from one of these authorities (keyless, or a PKI of one's own). */
export interface CertificateIdentity {
  readonly kind: 'certificate'
  /** Sigstore `trusted_root.json`: authorities, logs, timestamp authorities. */
  readonly trustedRoot: string
  /** The subject alternative name: an e-mail address, URI or DNS name. */
  readonly subject: string
  /** `glob`: `*` in the subject stands for any characters but `/`, `**` for any parts; always over the whole name. */
  readonly match: 'exact' | 'glob'
  /** The OIDC issuer that Fulcio wrote into the certificate, exactly. */
  readonly issuer?: string
  /** A signature without an entry in a transparency log counts too. */
  readonly withoutLog?: boolean
  /** A certificate without a signed certificate timestamp counts too. */
  readonly withoutSct?: boolean
}

/** Notary Project trust store and trusted identity. */
export interface NotationIdentity {
  readonly kind: 'notation'
  /** Root certificates in PEM: the trust store of type `ca`. */
  readonly authorities: readonly string[]
  /** Root certificates of timestamp authorities in PEM: the trust store of type `tsa`. */
  readonly timestampAuthorities: readonly string[]
  /** Distinguished name whose attributes the certificate's subject must have, as `C=DE, O=acme, CN=release`; `*` is any. */
  readonly subject: string
}

/** An OpenPGP key that makes containers/image simple signatures. */
export interface OpenpgpIdentity {
  readonly kind: 'openpgp'
  /** ASCII-armored public key. */
  readonly publicKey: string
}

/** What signatures are about. */
export interface Subject {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
}

/**
 * Where the signatures of an image are looked up: this registry, or another over HTTP. What it gives has been
 * checked against its digest. Every method throws `EvidenceUnavailable` when it cannot tell.
 */
export interface EvidenceSource {
  findTag(tag: string): Promise<Digest | undefined>
  findManifest(digest: Digest): Promise<{ readonly bytes: Buffer; readonly mediaType: string } | undefined>
  /** Digests of manifests whose `subject` is the digest, also those that only the fallback tag names. */
  listReferrers(digest: Digest, limit: number): Promise<readonly Digest[]>
  /** Throws `EvidenceUnavailable` also when the blob is larger. */
  readBlob(digest: Digest, maximumBytes: number): Promise<Buffer>
}

/** What is attached to an image could not be read, so nothing can be said of it. */
export class EvidenceUnavailable extends Error {}

/** A manifest that hangs on the subject, by its `subject` field or by a tag that is made of the digest. */
export interface Attachment {
  readonly digest: Digest
  readonly via: 'referrer' | 'sig-tag' | 'att-tag'
  /** The manifest's own, never that of a listing; of the config when the manifest has none. */
  readonly artifactType: string | undefined
  readonly annotations: Readonly<Record<string, string>>
  readonly layers: readonly Descriptor[]
}

/** One layer of an attachment with its bytes. */
export interface Envelope {
  readonly attachment: Attachment
  readonly layer: Descriptor
  readonly bytes: Buffer
}

/** One form of signatures. Stateless; `formats/index.ts` lists them all. */
export interface SignatureFormat {
  readonly name: FormatName
  /** Largest layer that is read. */
  readonly maximumBytes: number
  /** The layers of an attachment that are in this form, by media types alone. */
  envelopesOf(attachment: Attachment): readonly Descriptor[]
  /** Judges one layer against every signer of a kind that can make it. Never throws for what the layer holds. */
  verify(envelope: Envelope, question: VerificationQuestion): Promise<Claim | Rejection>
}

export interface VerificationQuestion {
  readonly subject: Subject
  readonly signers: readonly Signer[]
  readonly now: number
}

/** What one signer is proven to have said of the subject. */
export interface Claim {
  readonly status: 'verified'
  /** `signature`, or a predicate type. */
  readonly claim: string
  /** The name that policies know. */
  readonly signer: string
  /** Who really made it, if that one only counts as `signer`. */
  readonly by?: string
  readonly format: FormatName
  readonly keyAlgorithm: KeyAlgorithm
  /** The manifest that carries it, and the layer in it. */
  readonly manifest: Digest
  readonly layer: Digest
  /** The name that the signer gave the image, as `host/repository[:tag]`; absent where the form has none. */
  readonly reference?: string
  /** A time at which it is proven to have existed, by a log or a timestamp authority. */
  readonly provenAt?: number
  /** When the signer says it was made; proves nothing. */
  readonly claimedAt?: number
  readonly isLogged: boolean
  readonly isTimestamped: boolean
  /** What the certificate says, where one was used. */
  readonly certificate?: { readonly subject: string; readonly issuer?: string }
  /** Of attestations: the predicate, after the signature over it was checked. */
  readonly predicate?: unknown
}

/** Why a layer says nothing. */
export interface Rejection {
  readonly status: 'untrusted' | 'malformed'
  readonly format: FormatName
  readonly manifest: Digest
  readonly layer: Digest
  readonly why: string
  readonly claim?: string
  readonly reference?: string
}

export type VerificationStatus = 'verified' | 'unsigned' | 'untrusted' | 'unavailable' | 'malformed'

/** All that is known of what hangs on an image. */
export interface Verification {
  readonly subject: Digest
  /** Of plain signatures: `verified` when some signer's counts. Policies look at the claims. */
  readonly status: VerificationStatus
  readonly claims: readonly Claim[]
  readonly rejections: readonly Rejection[]
  /** Why not everything could be looked at; a claim that is missing may then exist. */
  readonly unavailable?: string
}

/** A public key with what it is used for. */
export interface VerificationKey {
  readonly key: KeyObject
  readonly algorithm: KeyAlgorithm
}
