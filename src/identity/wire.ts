import { Type, type Static } from 'typebox'

const closed = { additionalProperties: false }
const Id = Type.String({ pattern: '^[0-9a-f-]{36}$' })
const Time = Type.String({ format: 'date-time' })
const AccountName = Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,63}$' })
const Glob = Type.String({ minLength: 1, maxLength: 255 })
export const ActionName = Type.Union([
  Type.Literal('pull'),
  Type.Literal('push'),
  Type.Literal('sign'),
  Type.Literal('delete'),
  Type.Literal('promote'),
  Type.Literal('approve'),
  Type.Literal('admin'),
])
export const IdParams = Type.Object({ id: Id }, closed)
export const NameParams = Type.Object({ name: Type.String({ maxLength: 255 }) }, closed)
export const Empty = Type.Null()

export const User = Type.Object({
  id: Id,
  name: Type.String(),
  administrator: Type.Boolean(),
  disabled: Type.Boolean(),
  createdAt: Time,
})
export type User = Static<typeof User>
export const NewUser = Type.Object(
  {
    name: AccountName,
    password: Type.String({ minLength: 8, maxLength: 256 }),
    administrator: Type.Optional(Type.Boolean()),
  },
  closed,
)
export const UserChange = Type.Object(
  {
    password: Type.Optional(Type.String({ minLength: 8, maxLength: 256 })),
    administrator: Type.Optional(Type.Boolean()),
    disabled: Type.Optional(Type.Boolean()),
  },
  closed,
)
export const OwnPassword = Type.Object(
  {
    current: Type.String({ maxLength: 256 }),
    password: Type.String({ minLength: 8, maxLength: 256 }),
  },
  closed,
)
export const WhoAmI = Type.Object({
  name: Type.String(),
  kind: Type.String(),
  administrator: Type.Boolean(),
  sourceAddress: Type.String(),
})
export type WhoAmI = Static<typeof WhoAmI>

export const Robot = Type.Object({
  id: Id,
  name: Type.String(),
  loginName: Type.String(),
  description: Type.String(),
  disabled: Type.Boolean(),
  expiresAt: Type.Optional(Time),
  createdAt: Time,
})
export type Robot = Static<typeof Robot>
export const NewRobot = Type.Object(
  {
    name: AccountName,
    description: Type.Optional(Type.String({ maxLength: 500 })),
    expiresInDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 3650 })),
    /** What it may, to begin with. */
    actions: Type.Optional(Type.Array(ActionName, { maxItems: 6 })),
    repositories: Type.Optional(Glob),
  },
  closed,
)
export const RobotWithSecret = Type.Object({ ...Robot.properties, secret: Type.String() })
export type RobotWithSecret = Static<typeof RobotWithSecret>
export const RobotChange = Type.Object(
  { disabled: Type.Optional(Type.Boolean()), description: Type.Optional(Type.String({ maxLength: 500 })) },
  closed,
)
export const Rotation = Type.Object(
  /** How long the old secret still works. */
  { overlapMinutes: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_080 })) },
  closed,
)

export const PersonalToken = Type.Object({
  id: Id,
  name: Type.String(),
  actions: Type.Array(ActionName),
  expiresAt: Type.Optional(Time),
  lastUsedAt: Type.Optional(Time),
  createdAt: Time,
})
export type PersonalToken = Static<typeof PersonalToken>
export const NewPersonalToken = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 100 }),
    actions: Type.Optional(Type.Array(ActionName, { minItems: 1, maxItems: 6 })),
    expiresInDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 3650 })),
  },
  closed,
)
export const PersonalTokenWithSecret = Type.Object({ ...PersonalToken.properties, secret: Type.String() })
export type PersonalTokenWithSecret = Static<typeof PersonalTokenWithSecret>

export const Project = Type.Object({
  id: Id,
  name: Type.String(),
  anonymousPull: Type.Boolean(),
  createdAt: Time,
})
export type Project = Static<typeof Project>
export const NewProject = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*$', maxLength: 100 }),
    anonymousPull: Type.Optional(Type.Boolean()),
  },
  closed,
)
export const ProjectChange = Type.Object({ anonymousPull: Type.Boolean() }, closed)

export const RoleBinding = Type.Object({
  id: Id,
  principal: Type.String(),
  actions: Type.Array(ActionName),
  project: Type.Optional(Type.String()),
  repositories: Type.String(),
})
export type RoleBinding = Static<typeof RoleBinding>
export const NewRoleBinding = Type.Object(
  {
    /** A user's name, or `robot$name`. */
    principal: Type.String({ minLength: 1, maxLength: 100 }),
    actions: Type.Array(ActionName, { minItems: 1, maxItems: 6 }),
    /** Absent: in every project. */
    project: Type.Optional(Type.String({ maxLength: 100 })),
    repositories: Type.Optional(Glob),
  },
  closed,
)

export const NetworkCondition = Type.Object(
  {
    principals: Type.Optional(Type.Array(Type.String({ maxLength: 100 }), { minItems: 1, maxItems: 100 })),
    actions: Type.Optional(Type.Array(ActionName, { minItems: 1, maxItems: 6 })),
    repositories: Type.Optional(Type.Array(Glob, { minItems: 1, maxItems: 100 })),
    from: Type.Optional(Type.Array(Type.String({ maxLength: 60 }), { minItems: 1, maxItems: 1000 })),
    notFrom: Type.Optional(Type.Array(Type.String({ maxLength: 60 }), { minItems: 1, maxItems: 1000 })),
  },
  closed,
)
export const NetworkRule = Type.Object({
  id: Id,
  position: Type.Integer(),
  effect: Type.Union([Type.Literal('allow'), Type.Literal('deny')]),
  condition: NetworkCondition,
  comment: Type.String(),
})
export type NetworkRule = Static<typeof NetworkRule>
export const NewNetworkRule = Type.Object(
  {
    effect: Type.Union([Type.Literal('allow'), Type.Literal('deny')]),
    condition: NetworkCondition,
    comment: Type.Optional(Type.String({ maxLength: 200 })),
    /** Place in the order; absent: at the end. */
    position: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
  },
  closed,
)

export const Explanation = Type.Object({ allowed: Type.Boolean(), rule: Type.String() })
export type Explanation = Static<typeof Explanation>
export const ExplainRequest = Type.Object(
  {
    principal: Type.String({ maxLength: 100 }),
    action: ActionName,
    repository: Type.String({ maxLength: 255 }),
    sourceAddress: Type.String({ maxLength: 60 }),
  },
  closed,
)
export const listOf = <Item extends Parameters<typeof Type.Array>[0]>(item: Item) =>
  Type.Object({ items: Type.Array(item) })
