import { matchesGlob } from '../kernel/glob.ts'
import { projectNameOf } from '../kernel/reference.ts'
import type { NetworkRule, Project, Rights, RoleBinding } from './rights.ts'
import { isInRanges } from './source-address.ts'
import type { Action, Decision, Place, Principal } from './types.ts'

/**
 * May this principal do this, here, from this address? In this order: the account still holds, the network
 * rules let the address in, the credential's own limits cover it, and then somebody gave the right. Each of
 * the first three can only take away. The answer names what decided.
 */
export function decide(
  rights: Rights,
  principal: Principal,
  action: Action,
  place: Place,
  sourceAddress: string,
): Decision {
  if (principal.kind === 'system') return allow(`the server itself (${principal.name})`)
  const account = rights.accounts.get(principal.subject)
  if (principal.kind !== 'anonymous' && !account)
    return deny(`the account ${principal.name} is disabled or gone`)
  const rule = decidingNetworkRule(rights.networkRules, principal, action, place, sourceAddress)
  if (rule?.effect === 'deny')
    return deny(`${nameRule(rights, rule)} refuses ${sourceAddress || 'an unknown address'}`)
  const project =
    place && rights.projects.get(typeof place === 'string' ? projectNameOf(place) : place.project)
  if (!isWithinLimits(principal, action, place, project?.id)) {
    return deny(`the credential in use is not meant for ${action}${on(place)}`)
  }
  if (account?.administrator) return allow('administrator')
  const binding = rights.bindings
    .get(principal.subject)
    ?.find((candidate) => grants(candidate.actions, action) && covers(candidate, place, project))
  if (binding)
    return allow(`role binding ${binding.id} (${binding.actions.join(', ')} on ${binding.repositoryGlob})`)
  if (action === 'pull' && project?.anonymousPull) return allow(`project ${project.name} lets everyone pull`)
  return deny(`no role gives ${principal.name} ${action}${on(place)}`)
}

/** A right over all of something is one that no name narrows. */
function covers(binding: RoleBinding, place: Place, project: Project | undefined): boolean {
  if (binding.projectId !== undefined && binding.projectId !== project?.id) return false
  if (typeof place === 'string') return matchesGlob(binding.repositoryGlob, place)
  return project ? isAllOf(binding.repositoryGlob, project.name) : binding.repositoryGlob === '**'
}

function decidingNetworkRule(
  rules: readonly NetworkRule[],
  principal: Principal,
  action: Action,
  place: Place,
  sourceAddress: string,
): NetworkRule | undefined {
  return rules.find(({ effect, condition }) => {
    const { principals, actions, repositories, from, notFrom } = condition
    if (principals && !principals.includes(principal.name)) return false
    if (actions && !actions.includes(action) && !isCoveredByPush(actions, action)) return false
    if (repositories && !repositories.some((glob) => concerns(glob, place, effect))) return false
    if (from && !isInRanges(sourceAddress, from)) return false
    return !(notFrom && isInRanges(sourceAddress, notFrom))
  })
}

/** A whole project is refused with any part of it, and allowed only with all of it. */
function concerns(glob: string, place: Place, effect: NetworkRule['effect']): boolean {
  if (place === undefined) return false
  if (typeof place === 'string') return matchesGlob(glob, place)
  const [first = ''] = glob.split('/')
  return effect === 'deny'
    ? first === '**' || matchesGlob(first, place.project)
    : isAllOf(glob, place.project)
}

function isAllOf(glob: string, project: string): boolean {
  return glob === '**' || glob === `${project}/**`
}

function isWithinLimits(
  principal: Principal,
  action: Action,
  place: Place,
  projectId: string | undefined,
): boolean {
  return (
    principal.limits === undefined ||
    principal.limits.some(
      (limit) =>
        grants(limit.actions, action) &&
        (limit.repository === undefined || limit.repository === place) &&
        (limit.projectId === undefined || limit.projectId === projectId),
    )
  )
}

function grants(actions: readonly Action[], action: Action): boolean {
  return actions.includes(action) || actions.includes('admin') || isCoveredByPush(actions, action)
}

/** Who may push an image may attach to it; and a rule about pushing is one about attaching. */
function isCoveredByPush(actions: readonly Action[], action: Action): boolean {
  return action === 'sign' && actions.includes('push')
}

function nameRule(rights: Rights, rule: NetworkRule): string {
  const position = rights.networkRules.indexOf(rule) + 1
  return `network rule ${position}${rule.comment ? ` (${rule.comment})` : ''}`
}

function on(place: Place): string {
  if (place === undefined) return ''
  return typeof place === 'string' ? ` on ${place}` : ` on project ${place.project}`
}

function allow(rule: string): Decision {
  return { allowed: true, rule }
}

function deny(rule: string): Decision {
  return { allowed: false, rule }
}
