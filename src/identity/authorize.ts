import { matchesGlob } from '../kernel/glob.ts'
import { projectNameOf, type RepositoryName } from '../kernel/reference.ts'
import type { NetworkRule, Rights } from './rights.ts'
import { isInRanges } from './source-address.ts'
import type { Action, Decision, Principal } from './types.ts'

/**
 * May this principal do this, here, from this address? In this order: the account still holds, the network
 * rules let the address in, the credential's own limits cover it, and then somebody gave the right. Each of
 * the first three can only take away. The answer names what decided.
 */
export function decide(
  rights: Rights,
  principal: Principal,
  action: Action,
  repository: RepositoryName | undefined,
  sourceAddress: string,
): Decision {
  if (principal.kind === 'system') return allow(`the server itself (${principal.name})`)
  const account = rights.accounts.get(principal.subject)
  if (principal.kind !== 'anonymous' && !account)
    return deny(`the account ${principal.name} is disabled or gone`)
  const rule = decidingNetworkRule(rights.networkRules, principal, action, repository, sourceAddress)
  if (rule?.effect === 'deny')
    return deny(`${nameRule(rights, rule)} refuses ${sourceAddress || 'an unknown address'}`)
  const project = repository === undefined ? undefined : rights.projects.get(projectNameOf(repository))
  if (!isWithinLimits(principal, action, repository, project?.id)) {
    return deny(`the credential in use is not meant for ${action}${on(repository)}`)
  }
  if (account?.administrator) return allow('administrator')
  const binding = rights.bindings.get(principal.subject)?.find(
    (candidate) =>
      grants(candidate.actions, action) &&
      // A right over everything is one that is tied to no project and no name.
      (repository === undefined
        ? candidate.projectId === undefined && candidate.repositoryGlob === '**'
        : (candidate.projectId === undefined || candidate.projectId === project?.id) &&
          matchesGlob(candidate.repositoryGlob, repository)),
  )
  if (binding)
    return allow(`role binding ${binding.id} (${binding.actions.join(', ')} on ${binding.repositoryGlob})`)
  if (action === 'pull' && project?.anonymousPull) return allow(`project ${project.name} lets everyone pull`)
  return deny(`no role gives ${principal.name} ${action}${on(repository)}`)
}

function decidingNetworkRule(
  rules: readonly NetworkRule[],
  principal: Principal,
  action: Action,
  repository: RepositoryName | undefined,
  sourceAddress: string,
): NetworkRule | undefined {
  return rules.find(({ condition }) => {
    const { principals, actions, repositories, from, notFrom } = condition
    if (principals && !principals.includes(principal.name)) return false
    if (actions && !actions.includes(action)) return false
    if (repositories) {
      if (repository === undefined) return false
      if (!repositories.some((glob) => matchesGlob(glob, repository))) return false
    }
    if (from && !isInRanges(sourceAddress, from)) return false
    return !(notFrom && isInRanges(sourceAddress, notFrom))
  })
}

function isWithinLimits(
  principal: Principal,
  action: Action,
  repository: RepositoryName | undefined,
  projectId: string | undefined,
): boolean {
  return (
    principal.limits === undefined ||
    principal.limits.some(
      (limit) =>
        grants(limit.actions, action) &&
        (limit.repository === undefined || limit.repository === repository) &&
        (limit.projectId === undefined || limit.projectId === projectId),
    )
  )
}

function grants(actions: readonly Action[], action: Action): boolean {
  return actions.includes(action) || actions.includes('admin')
}

function nameRule(rights: Rights, rule: NetworkRule): string {
  const position = rights.networkRules.indexOf(rule) + 1
  return `network rule ${position}${rule.comment ? ` (${rule.comment})` : ''}`
}

function on(repository: RepositoryName | undefined): string {
  return repository === undefined ? '' : ` on ${repository}`
}

function allow(rule: string): Decision {
  return { allowed: true, rule }
}

function deny(rule: string): Decision {
  return { allowed: false, rule }
}
