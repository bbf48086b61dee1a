import type { Capability } from '../cri/cri-types.ts'

/** What containers of images may do when nothing else is asked, as containerd and docker have it. */
const usual = [
  'CAP_AUDIT_WRITE',
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_MKNOD',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_RAW',
  'CAP_SETFCAP',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
] as const

/** capabilities(7). */
const all = [
  ...usual,
  'CAP_AUDIT_CONTROL',
  'CAP_AUDIT_READ',
  'CAP_BLOCK_SUSPEND',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
  'CAP_DAC_READ_SEARCH',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_LEASE',
  'CAP_LINUX_IMMUTABLE',
  'CAP_MAC_ADMIN',
  'CAP_MAC_OVERRIDE',
  'CAP_NET_ADMIN',
  'CAP_NET_BROADCAST',
  'CAP_PERFMON',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYSLOG',
  'CAP_SYS_MODULE',
  'CAP_SYS_NICE',
  'CAP_SYS_PACCT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_WAKE_ALARM',
] as const

/** The capabilities of a container: names with or without `CAP_`, and `ALL`; what is dropped wins over `ALL`. */
export function capabilitiesOf(asked: Capability | null, isPrivileged: boolean): string[] {
  if (isPrivileged) return [...all].toSorted()
  const added = (asked?.addCapabilities ?? []).map(nameOf)
  const dropped = (asked?.dropCapabilities ?? []).map(nameOf)
  const first = dropped.includes('CAP_ALL') ? [] : added.includes('CAP_ALL') ? all : usual
  const names = [
    ...first.filter((name) => !dropped.includes(name)),
    ...added.filter((name) => name !== 'CAP_ALL'),
  ]
  return [...new Set(names)].filter((name) => !dropped.includes(name)).toSorted()
}

function nameOf(name: string): string {
  const upper = name.toUpperCase()
  return upper.startsWith('CAP_') ? upper : `CAP_${upper}`
}
