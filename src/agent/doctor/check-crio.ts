import { join } from 'node:path'
import { parse } from 'smol-toml'
import { checkContainers, policyPath, type NodeKnowledge } from './check-containers.ts'
import { isTable } from './containerd-config.ts'
import {
  isAtLeastAsStrict,
  lookUp,
  readContainersPolicy,
  type ContainersPolicy,
} from './containers-policy.ts'
import { checkOwner, findPaths, findStats, findText, listNames } from './machine-files.ts'
import { Report, type Check, type Machine } from './types.ts'

const mainPath = '/etc/crio/crio.conf'

interface CrioSettings {
  readonly policy: string
  readonly folder: string
}

/** Whether CRI-O uses the policy, and no namespace has one that asks less. */
export function checkCrio(machine: Machine, known: NodeKnowledge): Check[] {
  if (!findStats(machine, '/etc/crio')) return []
  const report = new Report('cri-o')
  let settings: CrioSettings
  try {
    settings = readSettings(machine)
  } catch (error) {
    report.unknown(
      'config',
      `the configuration cannot be read: ${(error as Error).message}`,
      'Mend the file.',
    )
    return report.checks
  }
  report.ok('config', `the policy is ${settings.policy}, those of namespaces are in ${settings.folder}`)
  // Its own checks follow under their own name when it is not the one that all share.
  const other = settings.policy === policyPath ? [] : checkContainers(machine, known, settings.policy)
  checkFolder(machine, report, settings)
  return [...report.checks, ...other]
}

function readSettings(machine: Machine): CrioSettings {
  const paths = [mainPath, ...findPaths(machine, '/etc/crio/crio.conf.d/*')]
  let settings: CrioSettings = { policy: policyPath, folder: '/etc/crio/policies' }
  for (const path of paths) {
    const table: unknown = parse(findText(machine, path) ?? '')
    const crio = isTable(table) ? table['crio'] : undefined
    const image: Readonly<Record<string, unknown>> =
      isTable(crio) && isTable(crio['image']) ? crio['image'] : {}
    const { signature_policy: policy, signature_policy_dir: folder } = image
    settings = {
      policy: typeof policy === 'string' && policy !== '' ? policy : settings.policy,
      folder: typeof folder === 'string' && folder !== '' ? folder : settings.folder,
    }
  }
  return settings
}

/** The file of a namespace replaces the global one, so whoever can write there decides for it. */
function checkFolder(machine: Machine, report: Report, { policy, folder }: CrioSettings): void {
  if (!findStats(machine, folder)) {
    report.ok('namespaces', `there is no ${folder}: every namespace has the global policy`)
    return
  }
  checkOwner(machine, report, 'namespaces-owner', folder)
  const names = listNames(machine, folder).filter((name) => name.endsWith('.json'))
  for (const name of names) checkOwner(machine, report, 'namespaces-owner', join(folder, name))
  const text = findText(machine, policy)
  const global = text === undefined ? undefined : tryRead(text)
  if (!global) {
    report.unknown(
      'namespaces',
      `${policy} cannot be read, so nothing can be compared with it`,
      'Mend the global policy first.',
    )
    return
  }
  const looser = names.flatMap((name) => {
    const own = tryRead(findText(machine, join(folder, name)) ?? '')
    // What cannot be read refuses all of the namespace's images.
    const scopes = own ? looserScopes(own, global) : []
    return scopes.length > 0 ? [`${name} (${scopes.slice(0, 5).join(', ')})`] : []
  })
  if (looser.length === 0) report.ok('namespaces', `no policy in ${folder} asks less than the global one`)
  else
    report.problem(
      'namespaces',
      `asks less than the global policy: ${looser.join('; ')}`,
      'Write them with pratique policy export crio --namespace, or remove them.',
    )
}

function tryRead(text: string): ContainersPolicy | undefined {
  try {
    return readContainersPolicy(text)
  } catch {
    return undefined
  }
}

function looserScopes(own: ContainersPolicy, global: ContainersPolicy): string[] {
  const scopes = new Set([...own.docker.keys(), ...global.docker.keys()])
  scopes.delete('')
  const found = [...scopes].filter((scope) => !isAtLeastAsStrict(lookUp(own, scope), lookUp(global, scope)))
  const rest = (policy: ContainersPolicy) => policy.docker.get('') ?? policy.default
  return isAtLeastAsStrict(rest(own), rest(global)) && isAtLeastAsStrict(own.default, global.default)
    ? found
    : [...found, 'everything else']
}
