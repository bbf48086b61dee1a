import { join } from 'node:path'
import { parse } from 'yaml'
import { policyJson, onlyServer, type NodeConfig, type RuntimeTrust } from '../../runtime/offline.ts'
import { isTable } from './containerd-config.ts'
import {
  acceptsAnything,
  isAtLeastAsStrict,
  lookUp,
  readContainersPolicy,
  type AnyRequirement,
  type ContainersPolicy,
} from './containers-policy.ts'
import { checkOwner, findPaths, findStats, findText, listNames } from './machine-files.ts'
import { Report, type Check, type Machine } from './types.ts'

export const policyPath = '/etc/containers/policy.json'
const lookupFolder = '/etc/containers/registries.d'
const remedy = 'Write it with pratique policy export containers --output / --force.'

export interface NodeKnowledge {
  readonly config: NodeConfig | undefined
  readonly trust: RuntimeTrust | undefined
}

/** Whether podman, buildah, skopeo and CRI-O ask for the signatures that the policy asks for. */
export function checkContainers(machine: Machine, known: NodeKnowledge, path = policyPath): Check[] {
  const report = new Report('containers')
  const policy = readPolicy(machine, report, path)
  if (!policy) return report.checks
  checkOwner(machine, report, 'policy-owner', path)
  checkDefault(report, policy, known)
  checkScopes(report, policy, known)
  checkLookup(machine, report, policy, known)
  checkOwnPolicies(machine, report)
  checkBuild(machine, report, policy)
  return report.checks
}

function readPolicy(machine: Machine, report: Report, path: string): ContainersPolicy | undefined {
  try {
    const text = findText(machine, path)
    if (text === undefined) {
      if (findStats(machine, '/etc/containers')) {
        report.problem('policy', `there is no ${path}, so nothing can be pulled`, remedy)
      }
      return undefined
    }
    const policy = readContainersPolicy(text)
    report.ok('policy', `read from ${path}`)
    return policy
  } catch (error) {
    report.problem('policy', `${path} is refused by every program: ${(error as Error).message}`, remedy)
    return undefined
  }
}

function checkDefault(report: Report, policy: ContainersPolicy, { config }: NodeKnowledge): void {
  const isOpen = acceptsAnything(policy.docker.get('') ?? policy.default)
  if (!isOpen) report.ok('default', 'images of which nothing is said are not accepted unsigned')
  else if (config?.others === 'accept')
    report.ok('default', 'images of other registries are accepted, as node.json says')
  else {
    report.problem(
      'default',
      'whatever the policy does not name is accepted unsigned (insecureAcceptAnything)',
      'Set "default" to reject, and name what is needed.',
    )
  }
}

/** Each scope of the export, looked up in what is there. */
function checkScopes(report: Report, policy: ContainersPolicy, { config, trust }: NodeKnowledge): void {
  if (!config || !trust) {
    report.unknown(
      'scopes',
      'it is not known what the policy asks, as the node has no trust that holds',
      'Mend node.json and its trust first.',
    )
    return
  }
  const others = config.others
  const wanted = [trust, onlyServer(trust)].map(
    (one) => policyJson(one, { others, unexpressible: 'reject' }).policy,
  )
  const own = [...policy.docker.keys()].filter(
    (scope) => scope === trust.registry || scope.startsWith(`${trust.registry}/`),
  )
  const looser = wanted.map(({ transports }) => {
    const docker = new Map<string, readonly AnyRequirement[]>(Object.entries(transports.docker))
    const asked: ContainersPolicy = { default: [{ type: 'reject' }], docker }
    return [...new Set([...asked.docker.keys(), ...own])].filter(
      (scope) => !isAtLeastAsStrict(lookUp(policy, scope), lookUp(asked, scope)),
    )
  })
  // Either is good: what the signers have to say, or what the server says for them.
  const best = looser.toSorted((left, right) => left.length - right.length)[0] ?? []
  if (best.length === 0)
    report.ok('scopes', `every scope of ${trust.registry} asks at least what the policy asks`)
  else
    report.problem(
      'scopes',
      `less, or something else, is asked than the policy asks in ${best.slice(0, 10).join(', ')}${best.length > 10 ? ' and more' : ''}`,
      remedy,
    )
}

/** Signatures are only looked for where a file says so; without it, all that is signed is refused. */
function checkLookup(
  machine: Machine,
  report: Report,
  policy: ContainersPolicy,
  { config }: NodeKnowledge,
): void {
  const isAsked = [...policy.docker.values()].flat().some(({ type }) => type === 'sigstoreSigned')
  if (!isAsked || !config) return
  try {
    if (isLookedUp(machine, config.registry))
      report.ok('lookup', `signatures of ${config.registry} are looked for`)
    else {
      report.problem(
        'lookup',
        `signatures of ${config.registry} are not looked for, so every signed image is refused`,
        `Set use-sigstore-attachments to true for it in ${lookupFolder}.`,
      )
    }
  } catch (error) {
    report.problem(
      'lookup',
      `a file in ${lookupFolder} cannot be read: ${(error as Error).message}`,
      'Mend or remove it.',
    )
  }
}

/** containers-registries.d(5): the longest name that says it decides; else the default. */
function isLookedUp(machine: Machine, registry: string): boolean {
  const files = listNames(machine, lookupFolder)
    .filter((name) => name.endsWith('.yaml'))
    .map(
      (name) => parse(findText(machine, join(lookupFolder, name)) ?? '', { maxAliasCount: 100 }) as unknown,
    )
    .filter(isTable)
  const said = files
    .flatMap((file) => (isTable(file['docker']) ? Object.entries(file['docker']) : []))
    .filter(([name]) => name === registry || name.startsWith(`${registry}/`))
    .flatMap(([name, entry]) => {
      const value = isTable(entry) ? entry['use-sigstore-attachments'] : undefined
      return value === undefined ? [] : [{ name, value }]
    })
  const fallback = files.map((file) => file['default-docker']).find(isTable)?.['use-sigstore-attachments']
  const isHere = said.find(({ name }) => name === registry)?.value ?? fallback
  return isHere === true && said.every(({ value }) => value === true)
}

/** Whoever has a file of their own is asked nothing of the others. */
function checkOwnPolicies(machine: Machine, report: Report): void {
  const patterns = ['/root/.config/containers/policy.json', '/home/*/.config/containers/policy.json']
  const found = patterns.flatMap((pattern) => findPaths(machine, pattern))
  if (found.length === 0) return
  report.problem(
    'own-policy',
    `${found.join(', ')} replaces the policy of the machine for that user`,
    'Remove it.',
  )
}

function checkBuild(machine: Machine, report: Report, policy: ContainersPolicy): void {
  const release = findText(machine, '/etc/os-release') ?? ''
  const isBookworm = /^ID=debian$/m.test(release) && /^VERSION_CODENAME=bookworm$/m.test(release)
  const isAsked = [...policy.docker.values()].flat().some(({ type }) => type === 'sigstoreSigned')
  if (!isBookworm || !isAsked) return
  report.problem(
    'build',
    "Debian bookworm's podman, buildah and skopeo are built without sigstore, and refuse what asks for it",
    'Use those of Debian trixie or newer, or OpenPGP signatures.',
  )
}
