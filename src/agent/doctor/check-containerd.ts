import { defaultTimeoutMs, type NodeConfig } from '../../runtime/offline.ts'
import { checkVerifierFolder } from './check-verifier-folder.ts'
import {
  containerdConfigPath,
  isTable,
  readContainerdConfig,
  type ContainerdConfig,
} from './containerd-config.ts'
import { checkOwner, findStats } from './machine-files.ts'
import { Report, type Check, type Machine } from './types.ts'

const programs = ['/usr/bin/containerd', '/usr/local/bin/containerd', '/bin/containerd']

/** Whether containerd asks a verifier for every pull: it has many ways not to, and tells of none. */
export async function checkContainerd(machine: Machine, node: NodeConfig | undefined): Promise<Check[]> {
  const isHere = ['/etc/containerd', ...programs].some((path) => findStats(machine, path))
  if (!isHere) return []
  const report = new Report('containerd')
  await checkVersion(machine, report)
  let config: ContainerdConfig
  try {
    config = await readContainerdConfig(machine)
  } catch (error) {
    report.unknown(
      'config',
      `the configuration cannot be read: ${(error as Error).message}`,
      'Mend the file, or run the doctor as root.',
    )
    return report.checks
  }
  report.ok('config', `read from ${config.from}`)
  checkOwner(machine, report, 'config-owner', containerdConfigPath)
  checkOldFiles(report, config)
  checkPlugin(report, config)
  checkLocalPull(report, config)
  checkTimeout(report, config, node)
  checkVerifierFolder(machine, report, config.verifier)
  return report.checks
}

/** `--version`, as `containerd version` starts the daemon in some builds. */
async function checkVersion(machine: Machine, report: Report): Promise<void> {
  const told = await machine.run('containerd', ['--version'])
  const [, major, minor] = /\bv?(\d+)\.(\d+)\.\d+/.exec(told?.replace(/\S*containerd\/v2\b/, '') ?? '') ?? []
  if (major === undefined || minor === undefined) {
    report.unknown(
      'version',
      'the version of containerd is not known',
      'Look at containerd --version: 2.1 or newer is needed.',
    )
    return
  }
  const version = `${major}.${minor}`
  if (Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 1)) {
    report.ok('version', `containerd ${version} asks verifiers for pulls of Kubernetes`)
    return
  }
  report.problem(
    'version',
    `containerd ${version} never asks a verifier when Kubernetes pulls`,
    'Install containerd 2.1 or newer.',
  )
}

function checkOldFiles(report: Report, { oldFiles }: ContainerdConfig): void {
  if (oldFiles.length === 0) return
  report.problem(
    'config-version',
    `${oldFiles.join(', ')} has no version, or version 1: containerd 2 ignores what it says of Kubernetes`,
    'Convert it with containerd config migrate.',
  )
}

function checkPlugin(report: Report, { disabledPlugins }: ContainerdConfig): void {
  const needed = ['io.containerd.image-verifier.v1.bindir', 'io.containerd.transfer.v1.local']
  const disabled = needed.filter((name) => disabledPlugins.includes(name))
  if (disabled.length === 0) report.ok('plugin', 'the verifier plugin is switched on')
  else {
    report.problem(
      'plugin',
      `${disabled.join(' and ')} is switched off, so nothing is verified`,
      'Take it out of disabled_plugins and restart containerd.',
    )
  }
}

/** With each of these, the CRI plugin pulls by itself, past every verifier, and only logs a warning. */
function checkLocalPull(report: Report, { images }: ContainerdConfig): void {
  const registry = isTable(images['registry']) ? images['registry'] : {}
  const isSet = (value: unknown): boolean => isTable(value) && Object.keys(value).length > 0
  const { max_concurrent_downloads: downloads } = images as { max_concurrent_downloads?: unknown }
  const causes: (readonly [setting: string, isSet: boolean, remedy: string])[] = [
    ['use_local_image_pull = true', images['use_local_image_pull'] === true, 'Set it to false'],
    [
      `max_concurrent_downloads = ${String(downloads)}`,
      downloads !== undefined && Number(downloads) !== 3,
      'Set it to 3, or take it out',
    ],
    ['discard_unpacked_layers = true', images['discard_unpacked_layers'] === true, 'Set it to false'],
    [
      'disable_snapshot_annotations = false',
      images['disable_snapshot_annotations'] === false,
      'Set it to true (lazy snapshotters and verification exclude each other)',
    ],
    ['image_pull_with_sync_fs = true', images['image_pull_with_sync_fs'] === true, 'Set it to false'],
    ...['mirrors', 'configs', 'auths'].map(
      (name) =>
        [
          `registry.${name}`,
          isSet(registry[name]),
          'Move it to /etc/containerd/certs.d/HOST/hosts.toml and to image pull secrets',
        ] as const,
    ),
  ]
  const found = causes.filter(([, isSet]) => isSet)
  for (const [setting, , remedy] of found) {
    report.problem(
      'local-pull',
      `${setting} makes Kubernetes pull past every verifier, with no more than a warning in the log`,
      `${remedy}, and restart containerd.`,
    )
  }
  if (found.length === 0) report.ok('local-pull', 'no setting makes Kubernetes pull past the verifiers')
}

function checkTimeout(report: Report, { verifier }: ContainerdConfig, node: NodeConfig | undefined): void {
  const allowed = parseDuration(verifier.timeout)
  const needed = (node?.timeoutMs ?? defaultTimeoutMs) + 1_000
  if (allowed === undefined) {
    report.unknown(
      'timeout',
      `per_verifier_timeout is ${JSON.stringify(verifier.timeout)}, which is not understood`,
      'Set it to "10s".',
    )
  } else if (allowed < needed) {
    report.problem(
      'timeout',
      `per_verifier_timeout is ${verifier.timeout}, so a verifier that needs ${needed - 1_000} ms is killed without a reason`,
      'Set it to "10s", or lower timeoutMs in node.json.',
    )
  } else report.ok('timeout', `a verifier has ${verifier.timeout}`)
}

/** A duration of Go, such as `1m10s` or `500ms`, in milliseconds. */
export function parseDuration(text: string): number | undefined {
  const units: Readonly<Record<string, number>> = {
    h: 3_600_000,
    m: 60_000,
    s: 1_000,
    ms: 1,
    us: 0.001,
    µs: 0.001,
    ns: 0.000001,
  }
  if (text === '0') return 0
  if (!/^(\d{1,9}(\.\d{1,9})?(h|ms|m|s|us|µs|ns))+$/.test(text)) return undefined
  return Array.from(text.matchAll(/([\d.]+)(h|ms|m|s|us|µs|ns)/g)).reduce(
    (sum, [, count, unit]) => sum + Number(count) * (units[unit as string] as number),
    0,
  )
}
