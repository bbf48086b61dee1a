import {
  canonicalJson,
  coversPattern,
  effectivePolicy,
  mergeRunning,
  mergeSignatures,
  patternsMeet,
  scopesOfOrganisation,
  scopesOfProject,
  type PolicyDocument,
  type PolicyLevel,
  type PolicyScope,
  type ProjectDocument,
} from '../policy/index.ts'
import { findScope } from './find-scope.ts'
import type { RuntimeScope } from './types.ts'

export interface ScopeDocuments {
  readonly organisation: PolicyDocument
  /** By name of the project. */
  readonly projects: ReadonlyMap<string, ProjectDocument>
}

/** Repositories that get a scope of their own; for more, what holds for their prefix is tight enough. */
const maximumNames = 2_000

/**
 * What holds where, for runtimes that only know prefixes: for every name at least as strict as its effective policy.
 * A pattern with wildcards inside counts for its whole prefix, except for repositories that exist: where that would
 * be too strict, they get a scope of their own.
 */
export function collectScopes(documents: ScopeDocuments, repositories: readonly string[]): RuntimeScope[] {
  const { organisation, projects } = documents
  const levels = [
    ...scopesOfOrganisation(organisation),
    ...[...projects].flatMap(([project, document]) => scopesOfProject(project, document)),
  ]
  const exact = (name: string): RuntimeScope => {
    const policy = effectivePolicy({ organisation, project: (one) => projects.get(one) }, name)
    return { repositories: name, signatures: policy.signatures, ...runningOf(policy.levels) }
  }
  const named = unique(levels.map(({ pattern }) => pattern).filter((pattern) => !pattern.includes('*')))
  const cones = unique(['**', ...levels.map(({ pattern }) => coneOf(pattern))])
  const wide = dropRepeated(
    cones.toSorted(bySpecificity).map((cone) => {
      const own = levels.filter((level) => holdsIn(level, cone, [...named, ...cones]))
      return { repositories: cone, signatures: mergeSignatures(own), ...runningOf(own) }
    }),
  )
  const isOwn = (scope: RuntimeScope): boolean => differs(scope, findScope(wide, scope.repositories))
  // A stage begins below its prefix: a repository with the bare name is none of its.
  const stageNames = organisation.stages.map(({ prefix }) => prefix).filter((name) => !named.includes(name))
  const others = repositories.filter((name) => !named.includes(name) && !stageNames.includes(name))
  return [
    ...named.map(exact),
    ...stageNames
      .map(exact)
      .filter(isOwn)
      .map((scope) => (repositories.includes(scope.repositories) ? scope : { ...scope, isStageName: true })),
    ...others.map(exact).filter(isOwn).slice(0, maximumNames),
    ...wide,
  ]
}

/** Everything below the literal part of a pattern, as a pattern. */
function coneOf(pattern: string): string {
  const parts = pattern.split('/')
  const open = parts.findIndex((part) => part.includes('*'))
  // A name without wildcards has a scope of its own; what is below it belongs to the prefix around it.
  const literal = open < 0 ? parts.slice(0, -1) : parts.slice(0, open)
  return [...literal, '**'].join('/')
}

/** Whether a level can be on the path of some name in a cone that no deeper scope takes. */
function holdsIn({ pattern, except }: PolicyScope, cone: string, all: readonly string[]): boolean {
  if (!patternsMeet(pattern, cone) || except.some((one) => coversPattern(one, cone))) return false
  const isDeeper = (one: string): boolean => one !== cone && coversPattern(cone, one)
  return !all.some((one) => isDeeper(one) && coversPattern(one, pattern))
}

/** The most specific first: a longer prefix lies within a shorter one. */
function bySpecificity(left: string, right: string): number {
  return right.split('/').length - left.split('/').length || (left < right ? -1 : 1)
}

/** Without scopes that say the same as the one around them. */
function dropRepeated(scopes: readonly RuntimeScope[]): RuntimeScope[] {
  return scopes.filter((scope, index) => {
    const around = scopes
      .slice(index + 1)
      .find(({ repositories }) => coversPattern(repositories, scope.repositories))
    return around === undefined || differs(scope, around)
  })
}

function runningOf(levels: readonly PolicyLevel[]): Pick<RuntimeScope, 'running'> {
  const running = mergeRunning(levels)
  return running ? { running } : {}
}

function differs(left: RuntimeScope, right: RuntimeScope | undefined): boolean {
  const told = (scope?: RuntimeScope): string =>
    canonicalJson([scope?.signatures ?? null, scope?.running ?? null])
  return told(left) !== told(right)
}

function unique(items: readonly string[]): string[] {
  return [...new Set(items)]
}
