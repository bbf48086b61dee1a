import { closest, distance } from 'fastest-levenshtein'
import { Type, type Static, type TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Node } from 'yaml'
import { PolicyFailure } from './failures.ts'

const closed = { additionalProperties: false }
const Severity = Type.Union([
  Type.Literal('critical'),
  Type.Literal('high'),
  Type.Literal('medium'),
  Type.Literal('low'),
])

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
    /** Signed with the key of every name, or of `threshold` of them. */
    signedBy: Type.Optional(
      Type.Object(
        {
          keys: Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { minItems: 1, maxItems: 50 }),
          threshold: Type.Optional(Type.Integer({ minimum: 1, maximum: 50 })),
        },
        closed,
      ),
    ),
    /** Built on an approved base image. */
    approvedBase: Type.Optional(Type.Boolean()),
  },
  closed,
)
export type Rules = Static<typeof Rules>

const StageSchema = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$' }),
    /** First part or parts of the names of its repositories. */
    prefix: Type.String({ pattern: '^[a-z0-9]+(?:[._/-][a-z0-9]+)*$', maxLength: 100 }),
    rules: Rules,
  },
  closed,
)

export const PolicyDocument = Type.Object(
  {
    /** From the first stage to the last: an image is promoted forwards. */
    stages: Type.Array(StageSchema, { minItems: 1, maxItems: 20 }),
    /** What holds for repositories of no stage. */
    others: Type.Optional(Type.Object({ rules: Rules }, closed)),
    /** How long a recalled image can still be pulled where it is. */
    recallGraceHours: Type.Optional(Type.Number({ minimum: 0, maximum: 8760 })),
  },
  closed,
)
export type PolicyDocument = Static<typeof PolicyDocument>
export type Stage = Static<typeof StageSchema>

const maximumBytes = 256 * 1024

/** The policy until somebody applies another. */
export const defaultPolicyText = `# The policy that a new installation begins with. \`pratique policy apply FILE\` replaces it.
stages:
  - name: dev
    prefix: dev
    rules:
      scanned: true
  - name: staging
    prefix: staging
    rules:
      scanned: true
      findings: { atLeast: critical, onlyFixed: true }
      databaseAge: { maxDays: 7 }
  - name: prod
    prefix: prod
    rules:
      scanned: true
      findings: { atLeast: critical, onlyFixed: true }
      databaseAge: { maxDays: 7 }
others:
  rules:
    scanned: true
recallGraceHours: 72
`

/** Parses a policy. Throws POLICY_INVALID with the line and, for an unknown key, the nearest known one. */
export function parsePolicy(text: string): PolicyDocument {
  if (text.length > maximumBytes) throw invalid(`it is larger than ${maximumBytes} bytes`)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true })
  const [mistake] = document.errors
  if (mistake) throw invalid(mistake.message.split('\n', 1)[0] as string)
  const lineOf = (node: Node | null | undefined): string =>
    `line ${lines.linePos(node?.range?.[0] ?? 0).line}`
  refuseUnknownKeys(document.contents, PolicyDocument, lineOf)
  const policy: unknown = document.toJS({ maxAliasCount: 100 })
  if (!Value.Check(PolicyDocument, policy)) {
    const [first] = Value.Errors(PolicyDocument, policy)
    throw invalid(`${first?.instancePath || 'the document'}: ${first?.message ?? 'wrong form'}`)
  }
  for (const key of ['name', 'prefix'] as const) {
    const seen = new Set<string>()
    for (const stage of policy.stages) {
      if (seen.has(stage[key])) throw invalid(`two stages have the ${key} ${stage[key]}`)
      seen.add(stage[key])
    }
  }
  for (const stage of policy.stages) checkThreshold(stage)
  return policy
}

function checkThreshold({ name, rules }: Stage): void {
  const { signedBy } = rules
  if (signedBy?.threshold !== undefined && signedBy.threshold > new Set(signedBy.keys).size) {
    throw invalid(
      `stage ${name}: a threshold of ${signedBy.threshold} can never be met by ${signedBy.keys.length} keys`,
    )
  }
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, TSchema & ObjectSchema>>
  readonly items?: TSchema & ObjectSchema
}

function refuseUnknownKeys(
  node: unknown,
  schema: TSchema & ObjectSchema,
  lineOf: (node: Node | null) => string,
): void {
  if (isSeq(node) && schema.items) {
    for (const item of node.items) refuseUnknownKeys(item, schema.items, lineOf)
  }
  if (!isMap(node) || !schema.properties) return
  const known = Object.keys(schema.properties)
  for (const { key, value } of node.items) {
    const name = isScalar(key) ? String(key.value) : ''
    const child = Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined
    if (!child) {
      const nearest = closest(name, known)
      const hint =
        distance(name, nearest) <= 4 ? `; did you mean ${nearest}?` : `; known are ${known.join(', ')}`
      throw invalid(`${lineOf(key as Node)}: ${JSON.stringify(name)} is not known here${hint}`)
    }
    refuseUnknownKeys(value, child, lineOf)
  }
}

function invalid(why: string): PolicyFailure {
  return new PolicyFailure('POLICY_INVALID', `the policy is not valid: ${why}`)
}

/** The stage of a repository: the one with the longest prefix that fits; undefined when none does. */
export function stageOf(policy: PolicyDocument, repository: string): Stage | undefined {
  return policy.stages
    .filter((stage) => repository.startsWith(`${stage.prefix}/`))
    .toSorted((left, right) => right.prefix.length - left.prefix.length)[0]
}

/** What has to hold in a repository. */
export function rulesFor(policy: PolicyDocument, repository: string): Rules {
  return stageOf(policy, repository)?.rules ?? policy.others?.rules ?? { scanned: true }
}

/** The rules of a stage by its name; those of the first one when none is named. Throws POLICY_INVALID. */
export function rulesForStage(policy: PolicyDocument, name: string | undefined): Rules {
  const stage = name === undefined ? policy.stages[0] : policy.stages.find((one) => one.name === name)
  if (stage) return stage.rules
  throw new PolicyFailure(
    'POLICY_INVALID',
    `there is no stage ${name}; there are ${policy.stages.map((one) => one.name).join(', ')}`,
  )
}
