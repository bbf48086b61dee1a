import type { PolicyDocument } from '../policy-document.ts'
import type { ProjectDocument } from '../project-document.ts'
import { coversPattern, patternsMeet } from './cover.ts'
import type { PolicyLevel } from './types.ts'

/** A level of a document with the repositories for which it holds. */
export interface Scope extends PolicyLevel {
  /** Whose word this is: a higher number may not loosen what a lower one says of the same repositories. */
  readonly rank: number
  readonly pattern: string
  /** Repositories that another scope of the same rank takes: those of a stage with a longer prefix. */
  readonly except: readonly string[]
}

const ranks = { organisation: 0, repositories: 1, stage: 2, project: 3, projectRepositories: 4 } as const

/** Every level that the organisation wrote; `organisation` always, as its defaults hold unsaid. */
export function scopesOfOrganisation(document: PolicyDocument): Scope[] {
  const { organisation, repositories = [], stages, others } = document
  const stagePatterns = stages.map(({ prefix }) => `${prefix}/**`)
  const everywhere = { pattern: '**', except: [] }
  return [
    { level: 'organisation', rank: ranks.organisation, rules: organisation?.rules ?? {}, ...everywhere },
    ...repositories.map(({ pattern, rules }) => ({
      level: `repositories ${pattern}`,
      rank: ranks.repositories,
      rules,
      pattern,
      except: [],
    })),
    ...stages.map(({ name, prefix, rules }) => ({
      level: `stage ${name}`,
      rank: ranks.stage,
      rules,
      pattern: `${prefix}/**`,
      except: stages
        .filter((other) => other.prefix.startsWith(`${prefix}/`))
        .map((other) => `${other.prefix}/**`),
    })),
    ...(others
      ? [{ level: 'others', rank: ranks.stage, rules: others.rules, pattern: '**', except: stagePatterns }]
      : []),
  ]
}

/** Every level that the administrators of a project wrote. */
export function scopesOfProject(project: string, { rules, repositories = [] }: ProjectDocument): Scope[] {
  return [
    ...(rules
      ? [{ level: `project ${project}`, rank: ranks.project, rules, pattern: `${project}/**`, except: [] }]
      : []),
    ...repositories.map((entry) => ({
      level: `project ${project}, repositories ${entry.pattern}`,
      rank: ranks.projectRepositories,
      rules: entry.rules,
      pattern: entry.pattern,
      except: [],
    })),
  ]
}

/** Whether all repositories of the lower scope have the higher one above them. */
export function governs(higher: Scope, lower: Scope): boolean {
  return (
    higher.rank < lower.rank &&
    coversPattern(higher.pattern, lower.pattern) &&
    !higher.except.some((pattern) => patternsMeet(pattern, lower.pattern))
  )
}

/** Whether both scopes can be on the path of one repository. */
export function scopesMeet(left: Scope, right: Scope): boolean {
  const areBothStages = left.rank === ranks.stage && right.rank === ranks.stage
  const isElsewhere = (one: Scope, other: Scope): boolean =>
    one.except.some((pattern) => coversPattern(pattern, other.pattern))
  return (
    !areBothStages &&
    patternsMeet(left.pattern, right.pattern) &&
    !isElsewhere(left, right) &&
    !isElsewhere(right, left)
  )
}
