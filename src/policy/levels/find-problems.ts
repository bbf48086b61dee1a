import { invalid } from '../parse-document.ts'
import type { Rules } from '../rules-schema.ts'
import { organisationDefaults } from '../signatures/meet.ts'
import { findLooser, type Difference } from './compare-rules.ts'
import { governs, scopesMeet, type Scope } from './scopes.ts'

/** More would not be read. */
const maximumShown = 5

/** Throws POLICY_INVALID that names, for each attempt to loosen, both levels. */
export function refuseProblems(scopes: readonly Scope[]): void {
  const problems = findProblems(scopes)
  if (problems.length === 0) return
  const rest = problems.length > maximumShown ? `; and ${problems.length - maximumShown} more` : ''
  throw invalid(`${problems.slice(0, maximumShown).join('; ')}${rest}`)
}

/** What is wrong between levels, and with one by itself: a sentence each, with the levels by name. */
export function findProblems(scopes: readonly Scope[]): string[] {
  const problems = scopes.flatMap(findOwnProblems)
  for (const [index, left] of scopes.entries()) {
    for (const right of scopes.slice(index + 1)) {
      const [higher, lower] = left.rank <= right.rank ? [left, right] : [right, left]
      const looser = governs(higher, lower) ? findLoosening(higher, lower) : []
      problems.push(...looser)
      if (looser.length === 0 && scopesMeet(higher, lower))
        problems.push(...findContradictions(higher, lower))
    }
  }
  return problems
}

function findLoosening(higher: Scope, lower: Scope): string[] {
  const tell = (whose: string, remedy: string) => (difference: Difference) =>
    `${lower.level} says ${difference.lower}, but ${whose} says ${difference.higher}; ${remedy}`
  const said = findLooser(higher.rules, lower.rules).map(tell(higher.level, 'a lower level can only tighten'))
  if (higher.level !== 'organisation') return said
  const unsaid = findLooser(defaultsBeside(higher.rules), lower.rules).map(
    tell('organisation (by default)', 'a lower level can only tighten; let the organisation say less first'),
  )
  return [...said, ...unsaid]
}

/** The organisation has a word on everything: what it leaves unsaid is its default. */
function defaultsBeside({ signatures = {} }: Rules): Rules {
  const unsaid = Object.entries(organisationDefaults).filter(([name]) => !(name in signatures))
  return { signatures: Object.fromEntries(unsaid) }
}

/** Two levels of which no repository can have both: nothing would be left to count. */
function findContradictions(higher: Scope, lower: Scope): string[] {
  const [above, here] = [higher.rules.signatures, lower.rules.signatures]
  return (['formats', 'keyAlgorithms'] as const)
    .filter((name) => {
      const [left, right] = [above?.[name], here?.[name]] as const
      return left && right && !left.some((one) => (right as readonly string[]).includes(one))
    })
    .map(
      (name) =>
        `${lower.level} and ${higher.level} have no ${name} in common, so no signature could count where both hold`,
    )
}

function findOwnProblems({ level, rules }: Scope): string[] {
  const clauses = rules.signatures?.require ?? []
  const names = clauses.map(({ name }) => name)
  return [
    ...clauses
      .filter(({ threshold = 1, signers }) => threshold > signers.length)
      .map(
        ({ name, threshold, signers }) =>
          `${level}, clause ${name}: a threshold of ${threshold} can never be met by ${signers.length} ${signers.length === 1 ? 'signer' : 'signers'}`,
      ),
    ...names
      .filter((name, index) => names.indexOf(name) !== index)
      .map((name) => `${level} has two clauses with the name ${name}`),
  ]
}
