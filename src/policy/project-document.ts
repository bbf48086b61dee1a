import { Type, type Static } from 'typebox'
import { refuseProblems } from './levels/find-problems.ts'
import { scopesOfOrganisation, scopesOfProject } from './levels/scopes.ts'
import { invalid, parseYaml } from './parse-document.ts'
import { checkPatterns, RepositoryRules, type PolicyDocument } from './policy-document.ts'
import { Rules } from './rules-schema.ts'

/** What the administrators of a project ask beyond the organisation's policy. */
export const ProjectDocument = Type.Object(
  { rules: Type.Optional(Rules), repositories: Type.Optional(RepositoryRules) },
  { additionalProperties: false },
)
export type ProjectDocument = Static<typeof ProjectDocument>

/** Parses the document of a project by itself. Throws POLICY_INVALID, also for a pattern outside of the project. */
export function parseProjectPolicy(text: string, project: string): ProjectDocument {
  const document = parseYaml(text, ProjectDocument)
  const repositories = document.repositories ?? []
  checkPatterns(repositories)
  for (const { pattern } of repositories) {
    if (pattern.split('/', 1)[0] !== project) {
      throw invalid(`the pattern ${pattern} reaches outside of project ${project}; begin it with ${project}/`)
    }
  }
  return document
}

/** Throws POLICY_INVALID, naming both levels, where the project would loosen what the organisation asks. */
export function refuseLooserProject(
  organisation: PolicyDocument,
  project: string,
  document: ProjectDocument,
): void {
  refuseProblems([...scopesOfOrganisation(organisation), ...scopesOfProject(project, document)])
}
