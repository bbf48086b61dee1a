import { Type, type Static } from 'typebox'
import { isGlob } from '../kernel/glob.ts'
import { PolicyFailure } from './failures.ts'
import { refuseProblems } from './levels/find-problems.ts'
import { scopesOfOrganisation } from './levels/scopes.ts'
import { invalid, parseYaml } from './parse-document.ts'
import { Rules } from './rules-schema.ts'

export type { Rules } from './rules-schema.ts'

const closed = { additionalProperties: false }

const StageSchema = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$' }),
    /** First part or parts of the names of its repositories. */
    prefix: Type.String({ pattern: '^[a-z0-9]+(?:[._/-][a-z0-9]+)*$', maxLength: 100 }),
    rules: Rules,
  },
  closed,
)

/** Rules for the repositories whose names fit a pattern; where several fit, all of them hold. */
export const RepositoryRules = Type.Array(
  Type.Object({ pattern: Type.String({ minLength: 1, maxLength: 255 }), rules: Rules }, closed),
  { maxItems: 100 },
)
export type RepositoryRules = Static<typeof RepositoryRules>

const host = '[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?'
const path = '[a-z0-9]+(?:[._/-]+[a-z0-9]+)*'

const Organisation = Type.Object(
  {
    rules: Type.Optional(Rules),
    /** By prefix of repository names here: under which name its signers know what is mirrored there. */
    mirrors: Type.Optional(
      Type.Record(
        Type.String({ pattern: `^${path}$`, maxLength: 255 }),
        Type.String({ pattern: `^${host}(?:/${path})?$`, maxLength: 255 }),
        { maxProperties: 100, additionalProperties: false },
      ),
    ),
    /** Names of this registry that signers may use; any when not given. */
    hosts: Type.Optional(
      Type.Array(Type.String({ pattern: `^${host}$`, maxLength: 255 }), { minItems: 1, maxItems: 50 }),
    ),
  },
  closed,
)

export const PolicyDocument = Type.Object(
  {
    /** What holds everywhere. No other level can loosen it. */
    organisation: Type.Optional(Organisation),
    repositories: Type.Optional(RepositoryRules),
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

/**
 * Parses the organisation's policy. Throws POLICY_INVALID with the line, with the nearest known key, or with both
 * levels where a lower one would loosen a higher one.
 */
export function parsePolicy(text: string): PolicyDocument {
  const policy = parseYaml(text, PolicyDocument)
  refuseTwice(
    policy.stages.map(({ name }) => name),
    'stages have the name',
  )
  refuseTwice(
    policy.stages.map(({ prefix }) => prefix),
    'stages have the prefix',
  )
  checkPatterns(policy.repositories ?? [])
  refuseProblems(scopesOfOrganisation(policy))
  return policy
}

/** Throws POLICY_INVALID for a pattern that is none, or stands there twice. */
export function checkPatterns(repositories: RepositoryRules): void {
  for (const { pattern } of repositories) {
    if (!isGlob(pattern)) {
      throw invalid(
        `${JSON.stringify(pattern)} is not a pattern of repository names; use lower-case letters, "*" inside a part and "**" for any number of parts`,
      )
    }
  }
  refuseTwice(
    repositories.map(({ pattern }) => pattern),
    'entries of repositories have the pattern',
  )
}

function refuseTwice(values: readonly string[], what: string): void {
  const twice = values.find((value, index) => values.indexOf(value) !== index)
  if (twice !== undefined) throw invalid(`two ${what} ${twice}`)
}

/** The stage with a name; the first one when none is named. Throws POLICY_INVALID. */
export function getStage(policy: PolicyDocument, name: string | undefined): Stage {
  const stage = name === undefined ? policy.stages[0] : policy.stages.find((one) => one.name === name)
  if (stage) return stage
  throw new PolicyFailure(
    'POLICY_INVALID',
    `there is no stage ${name}; there are ${policy.stages.map((one) => one.name).join(', ')}`,
  )
}
