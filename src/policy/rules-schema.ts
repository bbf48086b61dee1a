import { Type, type Static } from 'typebox'
import { formatNames, keyAlgorithms } from '../signing/offline.ts'
import { modes, referenceBindings } from './signatures/types.ts'

const closed = { additionalProperties: false }
/** One of these names; the library alone would lose which. */
function oneOf<Name extends string>(names: readonly Name[]) {
  return Type.Unsafe<Name>(Type.Union(names.map((name) => Type.Literal(name))))
}

const Severity = Type.Union([
  Type.Literal('critical'),
  Type.Literal('high'),
  Type.Literal('medium'),
  Type.Literal('low'),
])
const ModeName = oneOf(modes)
const Format = oneOf(formatNames)
const Algorithm = oneOf(keyAlgorithms)
const Binding = oneOf(referenceBindings)

/** So many of these signers have said this of the image. */
const Clause = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,63}$' }),
    /** The predicate type of an attestation; a plain signature when not given. */
    claim: Type.Optional(Type.String({ minLength: 1, maxLength: 512 })),
    signers: Type.Array(Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,63}$' }), {
      minItems: 1,
      maxItems: 50,
      uniqueItems: true,
    }),
    /** One when not given, or what a higher level asks of the same clause. */
    threshold: Type.Optional(Type.Integer({ minimum: 1, maximum: 50 })),
    /** CEL over `predicate`, `signer` and `subject`. */
    conditions: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 2000 }), { maxItems: 20, uniqueItems: true }),
    ),
  },
  closed,
)

/** What has to hold of signatures. What a level does not say, it inherits. */
const Signatures = Type.Object(
  {
    mode: Type.Optional(ModeName),
    formats: Type.Optional(Type.Array(Format, { minItems: 1, uniqueItems: true })),
    keyAlgorithms: Type.Optional(Type.Array(Algorithm, { minItems: 1, uniqueItems: true })),
    require: Type.Optional(Type.Array(Clause, { maxItems: 50 })),
    /** Only what a timestamp authority, or a transparency log, has seen counts. */
    requireTimestamp: Type.Optional(Type.Boolean()),
    requireLog: Type.Optional(Type.Boolean()),
    maximumAgeDays: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 36_500 })),
    bindReference: Type.Optional(Binding),
    lastKnownGoodHours: Type.Optional(Type.Number({ minimum: 0, maximum: 8760 })),
  },
  closed,
)

/** How well a runtime separates what it runs from its machine, the weakest first. */
export const isolationLevels = ['process', 'wasm-sandbox', 'user-space-kernel', 'virtual-machine'] as const

/** What nodes have to hold while they run an image. */
const Running = Type.Object(
  {
    /** The weakest runtime that may run it. */
    isolation: Type.Optional(oneOf(isolationLevels)),
    /** What becomes of its containers when it is no longer cleared. */
    quarantined: Type.Optional(oneOf(['report', 'evict'] as const)),
    /** How long somebody on a node may let it run although it is refused; only where the organisation says so. */
    breakGlassHours: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 168 })),
  },
  closed,
)

/** What has to hold. A rule that is not named is not asked. */
export const Rules = Type.Object(
  {
    /** The scan has finished. */
    scanned: Type.Optional(Type.Boolean()),
    /** No finding of this severity or a higher one; with `onlyFixed` those without a fix are let through. */
    findings: Type.Optional(
      Type.Object({ atLeast: Severity, onlyFixed: Type.Optional(Type.Boolean()) }, closed),
    ),
    /** `false`: no finding that is known to be exploited, whatever its severity. */
    knownExploited: Type.Optional(Type.Literal(false)),
    /** How many files that should tell of packages may be unreadable. */
    unknownFiles: Type.Optional(Type.Object({ max: Type.Integer({ minimum: 0 }) }, closed)),
    /** The vulnerability database that the image was judged with is not older than this. */
    databaseAge: Type.Optional(Type.Object({ maxDays: Type.Number({ minimum: 0, maximum: 3650 }) }, closed)),
    /** Built on an approved base image. */
    approvedBase: Type.Optional(Type.Boolean()),
    /** Who has to have signed the image, or attested what of it. */
    signatures: Type.Optional(Signatures),
    /** What nodes have to hold while they run it. */
    running: Type.Optional(Running),
  },
  closed,
)
export type RunningStatement = Static<typeof Running>
export type Rules = Static<typeof Rules>
export type SignatureStatement = Static<typeof Signatures>
export type ClauseStatement = Static<typeof Clause>
