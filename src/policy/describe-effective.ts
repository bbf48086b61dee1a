import { canonicalJson } from './levels/canonical-json.ts'
import type { EffectivePolicy, PolicyLevel } from './levels/types.ts'
import type { SignaturePolicy } from './signatures/types.ts'
import type { EffectiveBody } from './wire.ts'

/** The policy of a repository as people read it: every part with the level that it comes from. */
export function describeEffective(repository: string, policy: EffectivePolicy): EffectiveBody {
  return {
    repository,
    digest: policy.digest,
    levels: policy.levels.map(({ level }) => level),
    parts: [
      ...policy.levels.flatMap(describeRules),
      ...(policy.signatures ? describeSignatures(policy.signatures, policy.levels) : []),
    ],
  }
}

type Part = EffectiveBody['parts'][number]

function describeRules({ level, rules }: PolicyLevel): Part[] {
  const { signatures: _, ...ordinary } = rules
  return Object.entries(ordinary).map(([name, value]) => ({ name, value, level }))
}

function describeSignatures({ clauses, ...fields }: SignaturePolicy, levels: readonly PolicyLevel[]): Part[] {
  return [
    ...Object.entries(fields).map(([name, value]) => ({
      name: `signatures ${name}`,
      value,
      level: originOf(name, value, levels),
    })),
    ...clauses.map(({ level, ...value }) => ({ name: `signatures clause ${value.name}`, value, level })),
  ]
}

/** The highest level that says just this; of an intersection, all that narrow it; the default where nobody does. */
function originOf(name: string, value: unknown, levels: readonly PolicyLevel[]): string {
  const said = levels.flatMap(({ level, rules }) => {
    const own = (rules.signatures as Readonly<Record<string, unknown>> | undefined)?.[name]
    return own === undefined ? [] : [{ level, own }]
  })
  const exact = said.find(({ own }) => canonicalJson(own) === canonicalJson(value))
  if (exact) return exact.level
  return Array.isArray(value) && said.length > 0
    ? said.map(({ level }) => level).join(' + ')
    : 'organisation (default)'
}
