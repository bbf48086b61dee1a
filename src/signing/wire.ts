import { Type, type Static } from 'typebox'

const closed = { additionalProperties: false }
const Time = Type.String({ format: 'date-time' })
const Pem = Type.String({ minLength: 1, maxLength: 65_536 })
const TrustedRootText = Type.String({ minLength: 2, maxLength: 1_048_576 })

export const SignerName = Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,63}$' })
export const SignerStateName = Type.Union([
  Type.Literal('active'),
  Type.Literal('verify-only'),
  Type.Literal('revoked'),
  Type.Literal('compromised'),
])

export const IdentityBody = Type.Union([
  Type.Object(
    { kind: Type.Literal('key'), publicKey: Pem, trustedRoot: Type.Optional(TrustedRootText) },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('certificate'),
      trustedRoot: TrustedRootText,
      subject: Type.String({ minLength: 1, maxLength: 1000 }),
      match: Type.Union([Type.Literal('exact'), Type.Literal('glob')]),
      issuer: Type.Optional(Type.String({ minLength: 1, maxLength: 1000 })),
      withoutLog: Type.Optional(Type.Boolean()),
      withoutSct: Type.Optional(Type.Boolean()),
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('notation'),
      authorities: Type.Array(Pem, { minItems: 1, maxItems: 20 }),
      timestampAuthorities: Type.Array(Pem, { maxItems: 20 }),
      subject: Type.String({ minLength: 1, maxLength: 1000 }),
    },
    closed,
  ),
  Type.Object({ kind: Type.Literal('openpgp'), publicKey: Pem }, closed),
])
export type IdentityBody = Static<typeof IdentityBody>

export const SignerBody = Type.Object({
  name: Type.String(),
  kind: Type.String(),
  state: SignerStateName,
  identity: IdentityBody,
  /** SHA-256 of the key or of the identity: the same is never two signers. */
  fingerprint: Type.String(),
  revokedFrom: Type.Optional(Time),
  expiresAt: Type.Optional(Time),
  /** The signer by whose name it goes in policies. */
  countsAs: Type.Optional(Type.String()),
  /** Whether its VEX attestations are believed. */
  vex: Type.Boolean(),
  reason: Type.Optional(Type.String()),
  createdBy: Type.String(),
  createdAt: Time,
  changedAt: Time,
})
export type SignerBody = Static<typeof SignerBody>
export const SignerList = Type.Object({ items: Type.Array(SignerBody) })

export const NewSigner = Type.Object(
  {
    name: SignerName,
    identity: IdentityBody,
    expiresAt: Type.Optional(Time),
    countsAs: Type.Optional(SignerName),
    vex: Type.Optional(Type.Boolean()),
  },
  closed,
)
export type NewSigner = Static<typeof NewSigner>

export const SignerChange = Type.Object(
  {
    state: SignerStateName,
    /** Of `revoked`: what is proven to be older still counts. Nothing does when it is not given. */
    revokedFrom: Type.Optional(Time),
    reason: Type.String({ minLength: 3, maxLength: 1000 }),
  },
  closed,
)
export type SignerChange = Static<typeof SignerChange>

export const SignerParams = Type.Object({ name: Type.String({ maxLength: 64 }) }, closed)

export const SignedImagesQuery = Type.Object(
  {
    n: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    /** `repository@digest claim` of the last item of the page before. */
    last: Type.Optional(Type.String({ maxLength: 1000 })),
  },
  closed,
)
export const SignedImageList = Type.Object({
  items: Type.Array(
    Type.Object({
      repository: Type.String(),
      digest: Type.String(),
      tags: Type.Array(Type.String()),
      claim: Type.String(),
      verdict: Type.Optional(Type.String()),
      /** Nobody else is known to have made this claim of the image. */
      isOnlySigner: Type.Boolean(),
    }),
  ),
  next: Type.Optional(Type.String()),
})
export type SignedImageList = Static<typeof SignedImageList>

export const ServerKeyBody = Type.Object({ publicKey: Type.String() })
export type ServerKeyBody = Static<typeof ServerKeyBody>
