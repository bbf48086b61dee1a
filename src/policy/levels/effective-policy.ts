import { digestOf } from '../../kernel/digest.ts'
import { matchesGlob } from '../../kernel/glob.ts'
import { projectNameOf, type RepositoryName } from '../../kernel/reference.ts'
import type { PolicyDocument, Stage } from '../policy-document.ts'
import type { ProjectDocument } from '../project-document.ts'
import { liftStatement, meet, organisationDefaults, settle, type Meet } from '../signatures/meet.ts'
import type { SignaturePolicy } from '../signatures/types.ts'
import { organisationFirst } from './authority.ts'
import { canonicalJson } from './canonical-json.ts'
import type { EffectivePolicy, PolicyLevel, RuleSet } from './types.ts'

export interface PolicyDocuments {
  readonly organisation: PolicyDocument
  /** The document of a project; undefined when it has none. */
  readonly project: (name: string) => ProjectDocument | undefined
}

/** All that has to hold in a repository: every level on its path, never only the most specific one. */
export function effectivePolicy(
  { organisation, project }: PolicyDocuments,
  repository: string,
): EffectivePolicy {
  const name = projectNameOf(repository as RepositoryName)
  const own = project(name)
  const fits = ({ pattern }: { readonly pattern: string }): boolean => matchesGlob(pattern, repository)
  return effective(organisation, [
    ...levelOf('organisation', organisation.organisation?.rules),
    ...levelOf(`project ${name}`, own?.rules),
    ...(organisation.repositories ?? [])
      .filter(fits)
      .flatMap(({ pattern, rules }) => levelOf(`repositories ${pattern}`, rules)),
    ...(own?.repositories ?? [])
      .filter(fits)
      .flatMap(({ pattern, rules }) => levelOf(`project ${name}, repositories ${pattern}`, rules)),
    stageLevel(organisation, stageOf(organisation, repository)),
  ])
}

/** What has to hold in a stage, whatever the repository will be called: what a build is held to. */
export function effectivePolicyOfStage(organisation: PolicyDocument, stage: Stage): EffectivePolicy {
  return effective(organisation, [
    ...levelOf('organisation', organisation.organisation?.rules),
    stageLevel(organisation, stage),
  ])
}

/** The meet of what levels say of signatures; undefined when none says anything. */
export function mergeSignatures(levels: readonly PolicyLevel[]): SignaturePolicy | undefined {
  const all = meetSignatures(levels)
  return all && settle(all)
}

/** The same with every clause, also those that hold whenever one of a lower level does. */
export function meetSignatures(levels: readonly PolicyLevel[]): Meet | undefined {
  const said = organisationFirst(levels).filter(({ rules }) => rules.signatures !== undefined)
  if (said.length === 0) return undefined
  const organisation = said.find(({ level }) => level === 'organisation')
  const first = liftStatement({ ...organisationDefaults, ...organisation?.rules.signatures }, 'organisation')
  return said
    .filter((level) => level !== organisation)
    .map(({ level, rules }) => liftStatement(rules.signatures ?? {}, level))
    .reduce(meet, first)
}

/** Levels with the meet of what they say of signatures. */
export function ruleSetOf(levels: readonly PolicyLevel[]): RuleSet {
  const signatures = mergeSignatures(levels)
  return { levels, ...(signatures ? { signatures } : {}) }
}

function effective({ organisation }: PolicyDocument, levels: readonly PolicyLevel[]): EffectivePolicy {
  const { hosts, mirrors = {} } = organisation ?? {}
  const policy = { ...ruleSetOf(levels), names: { ...(hosts ? { hosts } : {}), mirrors } }
  return { ...policy, digest: digestOf(canonicalJson(policy)) }
}

function levelOf(level: string, rules: PolicyLevel['rules'] | undefined): PolicyLevel[] {
  return rules === undefined ? [] : [{ level, rules }]
}

function stageLevel({ others }: PolicyDocument, stage: Stage | undefined): PolicyLevel {
  if (stage) return { level: `stage ${stage.name}`, rules: stage.rules }
  return { level: 'others', rules: others?.rules ?? { scanned: true } }
}

/** The stage of a repository: the one with the longest prefix that fits; undefined when none does. */
export function stageOf(policy: Pick<PolicyDocument, 'stages'>, repository: string): Stage | undefined {
  return policy.stages
    .filter((stage) => repository.startsWith(`${stage.prefix}/`))
    .toSorted((left, right) => right.prefix.length - left.prefix.length)[0]
}
