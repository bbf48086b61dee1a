import type { Database } from '../database/index.ts'
import type { Clock } from '../kernel/clock.ts'
import { currentTrust } from '../signing/index.ts'
import { PolicyFailure } from './failures.ts'
import { refuseUnknownSigners, warnOfSigners } from './levels/check-signers.ts'
import type { PolicyDocuments } from './levels/effective-policy.ts'
import { findProblems } from './levels/find-problems.ts'
import { scopesOfOrganisation, scopesOfProject, type Scope } from './levels/scopes.ts'
import { invalid } from './parse-document.ts'
import { parsePolicy } from './policy-document.ts'
import { parseProjectPolicy, refuseLooserProject } from './project-document.ts'
import { listProjectPolicies } from './project-policy.ts'
import type { ClauseStatement } from './rules-schema.ts'
import { checkCondition } from './signatures/conditions/index.ts'
import { currentPolicy } from './store.ts'

export interface CheckedDocuments {
  /** All documents as they would hold. */
  readonly documents: PolicyDocuments
  /** Stages in their order. */
  readonly stages: readonly string[]
  readonly warnings: readonly string[]
}

interface Parts {
  readonly database: Database
  readonly clock: Clock
}

/** The documents in force. */
export async function currentDocuments({ database }: Pick<Parts, 'database'>): Promise<PolicyDocuments> {
  const projects = new Map((await listProjectPolicies(database)).map((one) => [one.project, one.document]))
  const { document: organisation } = await currentPolicy(database)
  return { organisation, project: (name) => projects.get(name) }
}

/**
 * Checks a policy of the organisation as if it were applied. Throws POLICY_INVALID. A project that would be looser than
 * it is no reason to refuse it, because all levels hold anyway; it is told of.
 */
export async function checkOrganisation(parts: Parts, text: string): Promise<CheckedDocuments> {
  const organisation = parsePolicy(text)
  const scopes = scopesOfOrganisation(organisation)
  const warnings = await checkClauses(parts, scopes)
  const projects = await listProjectPolicies(parts.database)
  for (const { project, document } of projects) {
    warnings.push(...findProblems([...scopes, ...scopesOfProject(project, document)]))
  }
  return {
    documents: {
      organisation,
      project: (name) => projects.find(({ project }) => project === name)?.document,
    },
    stages: organisation.stages.map(({ name }) => name),
    warnings,
  }
}

/** Checks the policy of a project as if it were applied. Throws POLICY_INVALID, also where it would loosen anything. */
export async function checkProject(parts: Parts, project: string, text: string): Promise<CheckedDocuments> {
  const { organisation, project: others } = await currentDocuments(parts)
  const document = parseProjectPolicy(text, project)
  refuseLooserProject(organisation, project, document)
  return {
    documents: { organisation, project: (name) => (name === project ? document : others(name)) },
    stages: organisation.stages.map(({ name }) => name),
    warnings: await checkClauses(parts, scopesOfProject(project, document)),
  }
}

/** Throws POLICY_INVALID for a signer or a condition that is none, and gives what is to be told of the signers. */
async function checkClauses({ database, clock }: Parts, scopes: readonly Scope[]): Promise<string[]> {
  const { signers } = await currentTrust(database, clock)
  refuseUnknownSigners(scopes, signers)
  for (const { level, rules } of scopes) {
    for (const clause of rules.signatures?.require ?? []) await checkConditions(level, clause)
  }
  return warnOfSigners(scopes, signers)
}

async function checkConditions(level: string, { name, conditions = [] }: ClauseStatement): Promise<void> {
  for (const condition of conditions) {
    try {
      await checkCondition(condition)
    } catch (error) {
      if (!(error instanceof PolicyFailure)) throw error
      throw invalid(`${level}, clause ${name}: ${error.message}`)
    }
  }
}
