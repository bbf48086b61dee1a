import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { modes, referenceBindings } from '../policy/offline.ts'
import { formatNames, keyAlgorithms, signerStates } from '../signing/offline.ts'
import type { RuntimeTrust } from './types.ts'

/** The predicate type under which the server signs its trust. */
export const trustPredicateType = 'https://pratique.dev/runtime-trust/v1'

const oneOf = <Name extends string>(names: readonly Name[]) =>
  Type.Union(names.map((name) => Type.Literal(name)))
const Text = Type.String({ maxLength: 4096 })
const Pem = Type.String({ maxLength: 65_536 })
const Root = Type.String({ maxLength: 1_048_576 })
const Time = Type.Integer({ minimum: 0 })

// Newer servers may say more than this program knows. What it does not know could tighten, so it is refused.
const closed = { additionalProperties: false }

const Identity = Type.Union([
  Type.Object({ kind: Type.Literal('key'), publicKey: Pem, trustedRoot: Type.Optional(Root) }, closed),
  Type.Object(
    {
      kind: Type.Literal('certificate'),
      trustedRoot: Root,
      subject: Text,
      match: oneOf(['exact', 'glob']),
      issuer: Type.Optional(Text),
      withoutLog: Type.Optional(Type.Boolean()),
      withoutSct: Type.Optional(Type.Boolean()),
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('notation'),
      authorities: Type.Array(Pem),
      timestampAuthorities: Type.Array(Pem),
      subject: Text,
    },
    closed,
  ),
  Type.Object({ kind: Type.Literal('openpgp'), publicKey: Pem }, closed),
])

const SignerDocument = Type.Object(
  {
    name: Text,
    identity: Identity,
    state: oneOf(signerStates),
    revokedFrom: Type.Optional(Time),
    expiresAt: Type.Optional(Time),
    countsAs: Type.Optional(Text),
  },
  closed,
)

const Clause = Type.Object(
  {
    name: Text,
    claim: Text,
    signers: Type.Array(Text),
    threshold: Type.Integer({ minimum: 1 }),
    conditions: Type.Array(Text),
    level: Text,
  },
  closed,
)

const Signatures = Type.Object(
  {
    mode: oneOf(modes),
    formats: Type.Array(oneOf(formatNames)),
    keyAlgorithms: Type.Array(oneOf(keyAlgorithms)),
    clauses: Type.Array(Clause),
    requireTimestamp: Type.Boolean(),
    requireLog: Type.Boolean(),
    maximumAgeDays: Type.Optional(Type.Number()),
    bindReference: oneOf(referenceBindings),
    lastKnownGoodHours: Type.Number(),
  },
  closed,
)

const Running = Type.Object(
  {
    isolation: Type.Optional(oneOf(['process', 'wasm-sandbox', 'user-space-kernel', 'virtual-machine'])),
    quarantined: Type.Optional(oneOf(['report', 'evict'])),
    breakGlassHours: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 168 })),
  },
  closed,
)

const TrustDocument = Type.Object(
  {
    registry: Text,
    insecure: Type.Boolean(),
    scopes: Type.Array(
      Type.Object(
        {
          repositories: Text,
          namespace: Type.Optional(Text),
          signatures: Type.Optional(Signatures),
          isStageName: Type.Optional(Type.Boolean()),
          running: Type.Optional(Running),
        },
        closed,
      ),
      { minItems: 1, maxItems: 10_000 },
    ),
    signers: Type.Array(SignerDocument, { minItems: 1, maxItems: 10_000 }),
    names: Type.Object(
      { hosts: Type.Optional(Type.Array(Text)), mirrors: Type.Record(Type.String(), Text) },
      closed,
    ),
    issuedAt: Time,
    expiresAt: Time,
    policyVersion: Type.Integer({ minimum: 0 }),
  },
  closed,
)

/** Whether a predicate is a trust that this program understands in full. */
export function isTrust(document: unknown): document is RuntimeTrust {
  return Value.Check(TrustDocument, document)
}
