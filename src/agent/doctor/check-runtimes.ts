import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs'
import { userInfo } from 'node:os'
import { parse } from 'yaml'
import type { NodeConfig } from '../../runtime/offline.ts'
import { placesOf } from '../agent-places.ts'
import { cgroupMode } from '../engine/cgroups.ts'
import { usualCni } from '../engine/cni.ts'
import { findObstacle } from '../rootless/user-network.ts'
import { explainDocker, findDaemons } from '../runtimes/find-daemons.ts'
import { findProgram, findRuntimes } from '../runtimes/find-runtimes.ts'
import { findText, listNames } from './machine-files.ts'
import { Report, type Check, type Machine } from './types.ts'

const leastFreeBytes = 2 * 1024 ** 3
const kubeletConfigs = ['/var/lib/kubelet/config.yaml', '/etc/kubernetes/kubelet-config.yaml']

/** Whether containers can be run here, by what, and whether pods come through the agent. */
export function checkRuntimes(machine: Machine, config: NodeConfig | undefined): Check[] {
  const report = new Report('runtimes')
  // What the kernel can do is known of this machine only.
  if (machine.root === '/') {
    checkPrograms(report, config)
    checkCgroups(report)
    checkKernel(report)
    checkSpace(report, config)
    if (process.getuid?.() === 0) checkNetwork(machine, report, config)
    else {
      checkAccount(report)
      checkUserNetwork(report, findObstacle())
    }
  }
  checkDaemons(machine, report)
  checkKubelet(machine, report, config)
  return report.checks
}

function checkPrograms(report: Report, config: NodeConfig | undefined): void {
  const engine = config?.agent?.backends?.find((one) => one.kind === 'engine')
  const found = findRuntimes(engine?.kind === 'engine' ? engine.runtimes : undefined)
  if (found.length > 0) {
    return report.ok(
      'programs',
      `the engine has ${found.map(({ handler }) => handler).join(', ')}; pratique runtimes --probe tries them`,
    )
  }
  report.problem(
    'programs',
    'there is no low-level runtime for the embedded engine',
    'Install runc, or crun; and gVisor (runsc) for strong isolation.',
  )
}

function checkCgroups(report: Report): void {
  const mode = cgroupMode()
  if (mode === 'v2') return report.ok('cgroups', 'cgroup v2')
  if (mode === 'v1') return report.ok('cgroups', 'cgroup v1')
  if (mode === 'none') {
    return report.problem(
      'cgroups',
      'no control groups are mounted, so that limits do not hold',
      'Mount cgroup2 at /sys/fs/cgroup.',
    )
  }
  report.problem(
    'cgroups',
    'both versions of control groups are in use: crun refuses that, and the engine runs it without limits',
    'Boot with systemd.unified_cgroup_hierarchy=1, or use runc.',
  )
}

function checkKernel(report: Report): void {
  const systems = readFileSync('/proc/filesystems', 'utf8')
  if (/\boverlay\b/.test(systems)) report.ok('overlayfs', 'the kernel has overlayfs')
  else report.problem('overlayfs', 'the kernel has no overlayfs', 'Load the module overlay.')
  const limit = readNumber('/proc/sys/user/max_user_namespaces')
  if (limit > 0) report.ok('user-namespaces', `${limit} user namespaces may be made`)
  else
    report.problem(
      'user-namespaces',
      'no user namespaces may be made, so that nothing runs without root but Wasm',
      'Set user.max_user_namespaces above 0.',
    )
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
    report.ok('kvm', '/dev/kvm can be opened; whether it works, pratique runtimes --probe tells')
  } catch {
    report.unknown(
      'kvm',
      'there is no /dev/kvm that can be opened: Kata Containers do not run here, gVisor does without',
      'Enable virtualisation, if you need virtual machines.',
    )
  }
}

function readNumber(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8'))
  } catch {
    return 0
  }
}

export interface Account {
  readonly name: string
  readonly id: number
  /** The text of `/etc/subuid`. */
  readonly subordinate: string
  readonly hasMapper: boolean
}

/** Whether images can have several users for an account without root (subuid(5), newuidmap(1)). */
export function checkAccount(report: Report, account = thisAccount()): void {
  const { name, id, subordinate, hasMapper } = account
  const hasIds = subordinate.split('\n').some((line) => [name, String(id)].includes(line.split(':')[0] ?? ''))
  if (hasIds && hasMapper) return report.ok('subordinate-ids', `${name} has subordinate ids`)
  report.problem(
    'subordinate-ids',
    `${name} has no subordinate ids that can be used, so that images run as their root only`,
    [
      ...(hasIds ? [] : [`usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${name}`]),
      ...(hasMapper ? [] : ['install the package uidmap']),
    ].join('; '),
  )
}

function thisAccount(): Account {
  const { username: name, uid: id } = userInfo()
  return {
    name,
    id,
    subordinate: existsSync('/etc/subuid') ? readFileSync('/etc/subuid', 'utf8') : '',
    hasMapper: findProgram('newuidmap', process.env['PATH'] ?? '') !== undefined,
  }
}

/** Whether pods can have a network of their own for an account without root (pasta(1)). */
export function checkUserNetwork(report: Report, obstacle: ReturnType<typeof findObstacle>): void {
  if (!obstacle) return report.ok('user-network', 'pods have a network of their own by pasta')
  const { why, remedy } = obstacle
  report.problem('user-network', `${why}, so that pods have the network of the node, or none`, remedy)
}

function checkSpace(report: Report, config: NodeConfig | undefined): void {
  const { state } = placesOf(config?.agent)
  try {
    const { bavail, bsize } = statfsSync(state)
    const free = bavail * bsize
    const gibibytes = (free / 1024 ** 3).toFixed(1)
    if (free > leastFreeBytes) return report.ok('space', `${gibibytes} GiB are free for images in ${state}`)
    report.problem(
      'space',
      `${gibibytes} GiB are free for images in ${state}`,
      'Remove images with pratique rmi, or give it more.',
    )
  } catch {
    report.unknown('space', `there is no ${state} yet`, 'Start the agent once: pratique node serve.')
  }
}

function checkDaemons(machine: Machine, report: Report): void {
  const daemons = findDaemons(machine)
  const docker = explainDocker(daemons)
  if (docker !== undefined) {
    report.problem('docker', docker, 'Install containerd, or cri-dockerd if it has to be Docker Engine.')
  }
  const names = daemons.filter(({ isCri }) => isCri).map(({ name }) => name)
  if (names.length > 0) report.ok('daemons', `the agent finds ${names.join(', ')}`)
}

function checkNetwork(machine: Machine, report: Report, config: NodeConfig | undefined): void {
  const engine = config?.agent?.backends?.find((one) => one.kind === 'engine')
  const folder = (engine?.kind === 'engine' ? engine.cniConfig : undefined) ?? usualCni.configFolder
  const configs = listNames(machine, folder).filter((name) => /\.(conflist|conf|json)$/.test(name))
  if (configs.length === 0) {
    return report.unknown(
      'cni',
      `no network is configured in ${folder}: pods have that of the node, or none`,
      'Install a network plugin of Kubernetes; where there is no cluster: pratique node network.',
    )
  }
  const plugins = usualCni.pluginFolders.flatMap((one) => listNames(machine, one))
  if (plugins.length > 0) return report.ok('cni', `${configs[0]} in ${folder}`)
  report.problem(
    'cni',
    `${configs[0]} in ${folder} needs plugins, and none is installed`,
    'Install containernetworking-plugins.',
  )
}

/** Whoever asks another socket than the agent's is not asked whether an image is cleared. */
function checkKubelet(machine: Machine, report: Report, config: NodeConfig | undefined): void {
  const socket = placesOf(config?.agent, { isRoot: true, environment: {} }).socket
  for (const path of kubeletConfigs) {
    const text = findText(machine, path)
    if (text === undefined) continue
    const { containerRuntimeEndpoint } = (parse(text) ?? {}) as { containerRuntimeEndpoint?: unknown }
    if (typeof containerRuntimeEndpoint !== 'string') {
      report.unknown(
        'kubelet',
        `${path} does not say which runtime the kubelet asks`,
        `Set containerRuntimeEndpoint: unix://${socket}.`,
      )
    } else if (containerRuntimeEndpoint === `unix://${socket}`) {
      report.ok('kubelet', 'the kubelet asks the agent')
    } else {
      report.problem(
        'kubelet',
        `the kubelet asks ${containerRuntimeEndpoint}, past the agent`,
        `Set containerRuntimeEndpoint: unix://${socket} in ${path} and start it again.`,
      )
    }
  }
}
