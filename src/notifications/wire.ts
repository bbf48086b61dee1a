import { Type, type Static } from 'typebox'

const closed = { additionalProperties: false }
const Time = Type.String({ format: 'date-time' })
const Id = Type.String({ pattern: '^[0-9a-f-]{36}$' })

export const KindName = Type.Union([
  Type.Literal('cloudevents'),
  Type.Literal('slack'),
  Type.Literal('email'),
])
export const SeverityName = Type.Union([
  Type.Literal('critical'),
  Type.Literal('high'),
  Type.Literal('medium'),
  Type.Literal('low'),
  Type.Literal('negligible'),
  Type.Literal('unknown'),
])
export const SubscriptionParams = Type.Object({ id: Id }, closed)

export const SubscriptionBody = Type.Object({
  id: Id,
  name: Type.String(),
  kind: KindName,
  /** Without what could be a secret. */
  target: Type.String(),
  eventTypes: Type.Array(Type.String()),
  repositories: Type.String(),
  minimumSeverity: Type.Optional(SeverityName),
  enabled: Type.Boolean(),
  /** Until then the secret before the last rotation signs as well. */
  previousSecretUntil: Type.Optional(Time),
  /** The receiver did not take what it was sent; the next attempt is not made before this time. */
  pausedUntil: Type.Optional(Time),
  createdAt: Time,
})
export type SubscriptionBody = Static<typeof SubscriptionBody>
export const SubscriptionList = Type.Object({ items: Type.Array(SubscriptionBody) })

export const NewSubscription = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,63}$' }),
    kind: KindName,
    /** For webhooks. */
    url: Type.Optional(Type.String({ minLength: 1, maxLength: 2048 })),
    /** For e-mail. */
    addresses: Type.Optional(Type.Array(Type.String({ maxLength: 320 }), { minItems: 1, maxItems: 20 })),
    /** Patterns such as `image.*`. */
    eventTypes: Type.Array(Type.String({ minLength: 1, maxLength: 100 }), { minItems: 1, maxItems: 50 }),
    repositories: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
    minimumSeverity: Type.Optional(SeverityName),
  },
  closed,
)
export type NewSubscription = Static<typeof NewSubscription>
export const SubscriptionWithSecret = Type.Object({
  ...SubscriptionBody.properties,
  /** Shown this once; only what is signed has one. */
  secret: Type.Optional(Type.String()),
})
export type SubscriptionWithSecret = Static<typeof SubscriptionWithSecret>
export const SubscriptionChange = Type.Object({ enabled: Type.Boolean() }, closed)
export const SecretRotation = Type.Object(
  /** How long the old secret signs as well. */
  { overlapMinutes: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_080 })) },
  closed,
)

export const DeliveryBody = Type.Object({
  id: Id,
  subscription: Type.String(),
  eventId: Type.String(),
  eventType: Type.String(),
  subject: Type.Optional(Type.String()),
  state: Type.Union([Type.Literal('waiting'), Type.Literal('delivered'), Type.Literal('failed')]),
  attempts: Type.Integer(),
  /** What came of the last attempt. */
  status: Type.String(),
  createdAt: Time,
  nextAttemptAt: Type.Optional(Time),
  finishedAt: Type.Optional(Time),
})
export type DeliveryBody = Static<typeof DeliveryBody>
export const DeliveryList = Type.Object({ items: Type.Array(DeliveryBody) })
export const DeliveryQuery = Type.Object(
  {
    n: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    /** Id of a subscription. */
    subscription: Type.Optional(Id),
    state: Type.Optional(DeliveryBody.properties.state),
  },
  closed,
)
export const NoContent = Type.Null()
