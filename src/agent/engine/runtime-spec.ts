import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { ImageConfig } from '../content/types.ts'
import type { ContainerConfig, LinuxContainerResources, Mount } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'
import { capabilitiesOf } from './capabilities.ts'
import { findUser, type ContainerUser } from './find-user.ts'
import { userNamespace, type UserNamespace } from '../rootless/user-namespace.ts'
import { refuseUnheld, refuseUnmapped } from './refuse-unheld.ts'
import { defaultSeccomp } from './seccomp-default.ts'
import type { PodRecord } from './types.ts'

/** What a runtime configuration is made of. */
export interface SpecParts {
  readonly id: string
  readonly pod: PodRecord
  readonly config: ContainerConfig
  readonly image: ImageConfig
  /** The mounted root file system. */
  readonly root: string
  /** Files of namespaces that the pod keeps; a missing one is the container's own, `node` is the machine's. */
  readonly namespaces: Readonly<Record<'network' | 'ipc' | 'uts' | 'pid', string | undefined>>
  /** Files of the pod that every container gets, by where they are in it. */
  readonly podFiles: Readonly<Record<string, string>>
  readonly cgroupPath: string | undefined
  /** The runtime can make what is mounted below a mount read-only as well. */
  readonly hasRecursiveReadOnly: boolean
  /** Where the account has no root. */
  readonly userNamespace?: UserNamespace | undefined
}

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const masked = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
]
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

/** `config.json` of a container (runtime-spec 1.1). Throws for what the image or the machine does not have. */
export function runtimeSpec(parts: SpecParts, user: ContainerUser = userOf(parts)): object {
  const { config, image, root, pod } = parts
  const security = config.linux?.securityContext ?? null
  refuseUnheld(security, hasAppArmor())
  const isPrivileged = security?.privileged ?? false
  const capabilities = capabilitiesOf(security?.capabilities ?? null, isPrivileged)
  const held = user.uid === 0 ? capabilities : []
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: config.tty,
      user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
      args: argumentsOf(config, image),
      env: environmentOf(config, image, user),
      cwd: config.workingDir || image.config?.WorkingDir || '/',
      capabilities: {
        bounding: capabilities,
        effective: held,
        permitted: held,
        inheritable: [],
        ambient: [],
      },
      noNewPrivileges: security?.noNewPrivs ?? false,
      oomScoreAdj: config.linux?.resources?.oomScoreAdj ?? 0,
      ...(security?.apparmor?.profileType === 'Localhost'
        ? { apparmorProfile: security.apparmor.localhostRef }
        : {}),
    },
    root: { path: root, readonly: security?.readonlyRootfs ?? false },
    // Each of a pod's containers writes the same.
    ...(parts.namespaces.uts === 'node' || pod.config.hostname === ''
      ? {}
      : { hostname: pod.config.hostname }),
    mounts: mountsOf(parts, isPrivileged),
    linux: linuxOf(parts, capabilities, isPrivileged),
    annotations: { ...config.annotations },
  }
}

function argumentsOf(config: ContainerConfig, image: ImageConfig): string[] {
  // CRI, ContainerConfig: a command replaces the entry point and makes the image's arguments void.
  const { Entrypoint = [], Cmd = [] } = image.config ?? {}
  const command = config.command.length > 0 ? config.command : (Entrypoint ?? [])
  const rest = config.args.length > 0 ? config.args : config.command.length > 0 ? [] : (Cmd ?? [])
  const all = [...command, ...rest]
  if (all.length > 0) return all
  throw new CriFailure(
    'FAILED_PRECONDITION',
    'neither the image nor the container says what to run; give a command',
  )
}

function environmentOf(config: ContainerConfig, image: ImageConfig, user: ContainerUser): string[] {
  const all = new Map<string, string>()
  const take = (one: string): void => void all.set(one.split('=', 1)[0] as string, one)
  take(defaultPath)
  if (config.tty) take('TERM=xterm')
  take(`HOME=${user.home}`)
  for (const one of image.config?.Env ?? []) take(one)
  for (const { key, value } of config.envs) take(`${key}=${value.toString()}`)
  return [...all.values()]
}

/** Who a container runs as. Throws for what the image or the account of the agent does not have. */
export function userOf({ config, image, root, userNamespace }: SpecParts): ContainerUser {
  const security = config.linux?.securityContext
  if (security?.runAsGroup && !security.runAsUser && !security.runAsUsername) {
    // CRI, LinuxContainerSecurityContext: a group alone is an error.
    throw new CriFailure('INVALID_ARGUMENT', 'a group without a user was asked for; give runAsUser as well')
  }
  const asked = security?.runAsUser ? String(security.runAsUser.value) : security?.runAsUsername
  const wanted = asked || image.config?.User || ''
  const group = security?.runAsGroup ? `:${security.runAsGroup.value}` : ''
  const user = findUser(root, group === '' ? wanted : `${wanted.split(':', 1)[0]}${group}`)
  const more = security?.supplementalGroups ?? []
  const own = security?.supplementalGroupsPolicy === 'Strict' ? [] : user.additionalGids
  // Its first group as well: a process that changes it would else leave the group, and what is kept from the group
  // would be open to it.
  const groups = [...new Set([user.gid, ...own, ...more])]
  if (!userNamespace) return { ...user, additionalGids: groups }
  refuseUnmapped(userNamespace, user)
  // user_namespaces(7), "setgroups": with one id there are no groups to be in but its own.
  return { ...user, additionalGids: groups.filter((gid) => userNamespace.ids > 1 && gid < userNamespace.ids) }
}

function mountsOf(
  { config, podFiles, namespaces, userNamespace, hasRecursiveReadOnly }: SpecParts,
  isPrivileged: boolean,
): object[] {
  const isHostNetwork = namespaces.network === 'node'
  const given = new Set(config.mounts.map(({ containerPath }) => containerPath))
  const bind = (source: string, ...options: string[]) => ({
    type: 'bind',
    source,
    options: ['rbind', ...options],
  })
  const base: readonly (readonly [string, object])[] = [
    ['/proc', { type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] }],
    [
      '/dev',
      { type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
    ],
    [
      '/dev/pts',
      {
        type: 'devpts',
        source: 'devpts',
        options: [
          'nosuid',
          'noexec',
          'newinstance',
          'ptmxmode=0666',
          'mode=0620',
          // The group of terminals, where there is more than one.
          ...(userNamespace?.ids === 1 ? [] : ['gid=5']),
        ],
      },
    ],
    ['/dev/mqueue', { type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] }],
    ['/sys', sysMount(isHostNetwork, isPrivileged)],
    ...(isPrivileged
      ? []
      : [
          [
            '/sys/fs/cgroup',
            { type: 'cgroup', source: 'cgroup', options: ['nosuid', 'noexec', 'nodev', 'relatime', 'ro'] },
          ] as const,
        ]),
    ...Object.entries(podFiles).map(([path, source]) => [path, bind(source, 'rw')] as const),
  ]
  return [
    ...base.filter(([path]) => !given.has(path)).map(([destination, mount]) => ({ destination, ...mount })),
    ...config.mounts.toSorted(byDepth).map((mount) => mountOf(mount, hasRecursiveReadOnly)),
  ]
}

/** sysfs belongs to a network namespace, and cannot be mounted without one. */
function sysMount(isHostNetwork: boolean, isPrivileged: boolean): object {
  const options = ['nosuid', 'noexec', 'nodev', ...(isPrivileged ? [] : ['ro'])]
  return isHostNetwork
    ? { type: 'bind', source: '/sys', options: ['rbind', ...options] }
    : { type: 'sysfs', source: 'sysfs', options }
}

function byDepth(one: Mount, other: Mount): number {
  return one.containerPath.split('/').length - other.containerPath.split('/').length
}

const propagations: Readonly<Record<Mount['propagation'], string>> = {
  PROPAGATION_PRIVATE: 'rprivate',
  PROPAGATION_HOST_TO_CONTAINER: 'rslave',
  PROPAGATION_BIDIRECTIONAL: 'rshared',
}

function mountOf(mount: Mount, hasRecursiveReadOnly: boolean): object {
  const { containerPath, hostPath, readonly, propagation } = mount
  const access = isRecursive(mount, hasRecursiveReadOnly) ? 'rro' : readonly ? 'ro' : 'rw'
  makeFolder(hostPath, containerPath)
  return {
    destination: containerPath,
    type: 'bind',
    source: hostPath,
    options: ['rbind', propagations[propagation], access],
  }
}

/** CRI, Mount: what is to be read-only at any depth is so for sure, or refused. */
function isRecursive(
  { containerPath, readonly, recursiveReadOnly, propagation }: Mount,
  hasRecursiveReadOnly: boolean,
): boolean {
  if (!recursiveReadOnly) return false
  if (!readonly || propagation !== 'PROPAGATION_PRIVATE') {
    throw new CriFailure(
      'INVALID_ARGUMENT',
      `the mount at ${containerPath} is to be read-only at any depth: then it is readonly too, and its propagation is private`,
    )
  }
  if (hasRecursiveReadOnly) return true
  throw new CriFailure(
    'FAILED_PRECONDITION',
    `this runtime cannot make what is below ${containerPath} read-only: use one that has recursive-read-only-mounts (see pratique runtimes), or leave recursiveReadOnly out`,
  )
}

/** As other runtimes of the CRI do with a folder that is not there. */
function makeFolder(hostPath: string, containerPath: string): void {
  if (existsSync(hostPath)) return
  try {
    // One by one: Node's own way never ends below /proc.
    const parts = hostPath.split('/').filter((part) => part !== '')
    for (let count = 1; count <= parts.length; count++) makeOne(`/${parts.slice(0, count).join('/')}`)
  } catch (error) {
    throw new CriFailure(
      'FAILED_PRECONDITION',
      `there is no ${hostPath} on this node to mount at ${containerPath}, and it cannot be made: ${(error as Error).message}`,
    )
  }
}

function makeOne(path: string): void {
  if (!existsSync(path)) mkdirSync(path)
}

function linuxOf(parts: SpecParts, capabilities: readonly string[], isPrivileged: boolean): object {
  const { config, namespaces, cgroupPath, pod } = parts
  const security = config.linux?.securityContext ?? null
  const { devices, rules } = devicesOf(config, isPrivileged)
  // Those of a namespace that is the machine's are refused by the runtime, not forgotten.
  const sysctl = pod.config.linux?.sysctls
  const seccomp = seccompOf(parts, capabilities, isPrivileged)
  return {
    namespaces: [
      { type: 'mount' },
      ...(['network', 'ipc', 'uts', 'pid'] as const).flatMap((type) => {
        const path = namespaces[type]
        if (path === 'node') return []
        return [path === undefined ? { type } : { type, path }]
      }),
    ],
    devices,
    resources: { ...resourcesOf(config.linux?.resources ?? null), devices: rules },
    ...(cgroupPath === undefined ? {} : { cgroupsPath: cgroupPath }),
    ...(sysctl && Object.keys(sysctl).length > 0 ? { sysctl } : {}),
    ...(seccomp ? { seccomp } : {}),
    maskedPaths: isPrivileged ? [] : security?.maskedPaths.length ? security.maskedPaths : masked,
    readonlyPaths: isPrivileged
      ? []
      : security?.readonlyPaths.length
        ? security.readonlyPaths
        : readonlyPaths,
    // Out of the container mounts come only through a root that is shared itself.
    rootfsPropagation: config.mounts.some(({ propagation }) => propagation === 'PROPAGATION_BIDIRECTIONAL')
      ? 'rshared'
      : 'rslave',
  }
}

/** runtime-spec, "Control groups"; zero means that nothing is asked. */
export function resourcesOf(asked: LinuxContainerResources | null): object {
  if (!asked) return {}
  const cpu = {
    ...(asked.cpuShares > 0 ? { shares: asked.cpuShares } : {}),
    ...(asked.cpuQuota !== 0 ? { quota: asked.cpuQuota } : {}),
    ...(asked.cpuPeriod > 0 ? { period: asked.cpuPeriod } : {}),
    ...(asked.cpusetCpus === '' ? {} : { cpus: asked.cpusetCpus }),
    ...(asked.cpusetMems === '' ? {} : { mems: asked.cpusetMems }),
  }
  const memory = {
    ...(asked.memoryLimitInBytes > 0 ? { limit: asked.memoryLimitInBytes } : {}),
    ...(asked.memorySwapLimitInBytes > 0 ? { swap: asked.memorySwapLimitInBytes } : {}),
  }
  const pids = Number(asked.unified['pids.max'] ?? 0)
  return {
    ...(Object.keys(cpu).length > 0 ? { cpu } : {}),
    ...(Object.keys(memory).length > 0 ? { memory } : {}),
    ...(pids > 0 ? { pids: { limit: pids } } : {}),
    ...(asked.hugepageLimits.length > 0
      ? { hugepageLimits: asked.hugepageLimits.map(({ pageSize, limit }) => ({ pageSize, limit })) }
      : {}),
  }
}

function devicesOf(config: ContainerConfig, isPrivileged: boolean) {
  const everyone = ['c 1:3', 'c 1:5', 'c 1:7', 'c 1:8', 'c 1:9', 'c 5:0', 'c 5:2', 'c 136:*'].map((text) => {
    const [type = '', numbers = ''] = text.split(' ')
    const [major, minor] = numbers.split(':')
    return {
      allow: true,
      type,
      major: Number(major),
      ...(minor === '*' ? {} : { minor: Number(minor) }),
      access: 'rwm',
    }
  })
  // In a user namespace no device can be made, and the usual ones are mounted.
  const ofMachine = isPrivileged && !userNamespace() ? machineDevices() : []
  const asked = [...ofMachine, ...config.devices].map((device) => {
    const stats = statSync(device.hostPath, { throwIfNoEntry: false })
    if (!stats || !(stats.isCharacterDevice() || stats.isBlockDevice())) {
      throw new CriFailure('FAILED_PRECONDITION', `there is no device ${device.hostPath} on this node`)
    }
    const type = stats.isBlockDevice() ? 'b' : 'c'
    // Linux packs both numbers into one (makedev(3)).
    const major = ((stats.rdev >> 8) & 0xfff) | ((stats.rdev / 2 ** 32) & ~0xfff)
    const minor = (stats.rdev & 0xff) | ((stats.rdev >> 12) & ~0xff)
    const { uid, gid } = stats
    return {
      device: { path: device.containerPath, type, major, minor, fileMode: stats.mode & 0o777, uid, gid },
      rule: { allow: true, type, major, minor, access: device.permissions || 'rwm' },
    }
  })
  return {
    devices: asked.map(({ device }) => device),
    rules: isPrivileged
      ? [{ allow: true, access: 'rwm' }]
      : [{ allow: false, access: 'rwm' }, ...everyone, ...asked.map(({ rule }) => rule)],
  }
}

/** Folders of /dev that are made for each container, or have none of the machine's. */
const ownFolders = ['/dev/pts', '/dev/shm', '/dev/mqueue', '/dev/fd', '/dev/hugepages']
const maximumDevices = 5_000

/** What a privileged container may use: all devices of the machine but its consoles. */
function machineDevices(folder = '/dev'): { hostPath: string; containerPath: string; permissions: string }[] {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return ownFolders.includes(path) ? [] : machineDevices(path)
      const isDevice = entry.isCharacterDevice() || entry.isBlockDevice()
      return isDevice && path !== '/dev/console'
        ? [{ hostPath: path, containerPath: path, permissions: 'rwm' }]
        : []
    })
    .slice(0, maximumDevices)
}

function seccompOf(
  { config }: SpecParts,
  capabilities: readonly string[],
  isPrivileged: boolean,
): object | undefined {
  const asked = config.linux?.securityContext?.seccomp
  // As docker and podman do, and unlike the kubelet's own default: what asks for nothing gets the default profile.
  const type = asked?.profileType ?? (isPrivileged ? 'Unconfined' : 'RuntimeDefault')
  if (isPrivileged || type === 'Unconfined') return undefined
  if (type === 'RuntimeDefault') return defaultSeccomp(capabilities)
  const path = asked?.localhostRef ?? ''
  try {
    return JSON.parse(readFileSync(join('/', path), 'utf8')) as object
  } catch (error) {
    throw new CriFailure(
      'FAILED_PRECONDITION',
      `the seccomp profile ${path} cannot be read: ${(error as Error).message}`,
    )
  }
}

function hasAppArmor(): boolean {
  return existsSync('/sys/kernel/security/apparmor')
}
