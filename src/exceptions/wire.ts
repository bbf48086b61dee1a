import { Type, type Static } from 'typebox'
import { exemptRules } from './exempt-rules.ts'

const closed = { additionalProperties: false }
const Time = Type.String({ format: 'date-time' })

const StateName = Type.Union([
  Type.Literal('requested'),
  Type.Literal('approved'),
  Type.Literal('rejected'),
  Type.Literal('expired'),
  Type.Literal('withdrawn'),
])
const StatusName = Type.Union([
  Type.Literal('not_affected'),
  Type.Literal('affected'),
  Type.Literal('fixed'),
  Type.Literal('under_investigation'),
])
const JustificationName = Type.Union([
  Type.Literal('component_not_present'),
  Type.Literal('vulnerable_code_not_present'),
  Type.Literal('vulnerable_code_not_in_execute_path'),
  Type.Literal('vulnerable_code_cannot_be_controlled_by_adversary'),
  Type.Literal('inline_mitigations_already_exist'),
])
const VulnerabilityName = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._:-]{2,99}$' })
const Base = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 100 }),
    version: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  },
  closed,
)
const Ticket = Type.String({ minLength: 1, maxLength: 300 })
const place = {
  /** Pattern over repository names; `**` is the whole organisation. The image's repository when not given. */
  repositories: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  image: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })),
  /** Package URL, with or without a version. */
  package: Type.Optional(Type.String({ minLength: 5, maxLength: 1000 })),
  base: Type.Optional(Base),
}

const RuleName = Type.Union(exemptRules.map((rule) => Type.Literal(rule)))
const ClauseName = Type.String({ minLength: 1, maxLength: 100 })

export const NewException = Type.Object(
  {
    /** Or a rule. */
    vulnerability: Type.Optional(VulnerabilityName),
    /** A rule of the policy. */
    rule: Type.Optional(RuleName),
    /** Only this clause of the rule on signatures. */
    clause: Type.Optional(ClauseName),
    /** `affected`: the risk is accepted. */
    status: StatusName,
    justification: Type.Optional(JustificationName),
    reason: Type.String({ minLength: 3, maxLength: 2000 }),
    ticket: Type.Optional(Ticket),
    until: Time,
    ...place,
  },
  closed,
)
export type NewException = Static<typeof NewException>

const Act = Type.Object({ by: Type.String(), at: Time, reason: Type.Optional(Type.String()) })
export const ExceptionBody = Type.Object({
  id: Type.String(),
  state: StateName,
  /** Of an exception for findings. */
  vulnerability: Type.Optional(Type.String()),
  /** Of an exception from a rule. */
  rule: Type.Optional(Type.String()),
  clause: Type.Optional(Type.String()),
  /** On whose authority an exception from a rule was approved. */
  authority: Type.Optional(Type.String()),
  aliases: Type.Array(Type.String()),
  status: StatusName,
  justification: Type.Optional(JustificationName),
  reason: Type.String(),
  ticket: Type.Optional(Type.String()),
  repositories: Type.String(),
  digest: Type.Optional(Type.String()),
  package: Type.Optional(Type.String()),
  base: Type.Optional(Type.Object({ name: Type.String(), version: Type.Optional(Type.String()) })),
  products: Type.Optional(
    Type.Array(Type.Object({ id: Type.String(), subcomponents: Type.Array(Type.String()) })),
  ),
  requestedBy: Type.String(),
  requestedAt: Time,
  until: Time,
  decision: Type.Optional(Act),
  end: Type.Optional(Act),
  source: Type.Optional(Type.Object({ digest: Type.String(), author: Type.String() })),
})
export type ExceptionBody = Static<typeof ExceptionBody>
export const ExceptionList = Type.Object({
  items: Type.Array(ExceptionBody),
  /** What to ask for as `last` to get the next page. */
  next: Type.Optional(Type.String()),
})
export type ExceptionList = Static<typeof ExceptionList>

export const ExceptionListQuery = Type.Object(
  {
    n: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    last: Type.Optional(Type.String({ pattern: '^\\d{1,16}_[0-9a-f-]{36}$' })),
    state: Type.Optional(StateName),
    vulnerability: Type.Optional(VulnerabilityName),
    /** Only those that hold in this repository. */
    repository: Type.Optional(Type.String({ maxLength: 255 })),
  },
  closed,
)
export const ExceptionParams = Type.Object({ id: Type.String({ maxLength: 64 }) })
export const Approval = Type.Object(
  { reason: Type.Optional(Type.String({ minLength: 3, maxLength: 2000 })) },
  closed,
)
export const Refusal = Type.Object({ reason: Type.String({ minLength: 3, maxLength: 2000 }) }, closed)

export const NewVexImport = Type.Object(
  {
    /** The text of an OpenVEX, CycloneDX or CSAF document. */
    document: Type.String({ minLength: 2, maxLength: 8 * 1024 * 1024 }),
    until: Time,
    ticket: Type.Optional(Ticket),
    ...place,
  },
  closed,
)
export const VexImported = Type.Object({
  digest: Type.String(),
  author: Type.String(),
  items: Type.Array(ExceptionBody),
  /** Statements that were recorded before, from the same document. */
  known: Type.Integer(),
  skipped: Type.Array(Type.Object({ what: Type.String(), why: Type.String() })),
})
export type VexImported = Static<typeof VexImported>
export const VexExportQuery = Type.Object(
  {
    image: Type.String({ minLength: 1, maxLength: 500 }),
    format: Type.Optional(
      Type.Union([Type.Literal('openvex'), Type.Literal('cyclonedx'), Type.Literal('csaf')]),
    ),
  },
  closed,
)
