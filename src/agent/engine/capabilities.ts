import { readFileSync } from 'node:fs'
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

/** In the order of their numbers (capabilities(7), linux/capability.h). */
const all = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
] as const

/** What this process can give away at most: an older kernel has fewer, and so has an agent that is confined itself. */
const givable = readGivable(readFileSync('/proc/self/status', 'utf8'))

export function readGivable(status: string): readonly string[] {
  const bits = BigInt(`0x${/^CapBnd:\s+([0-9a-f]+)$/m.exec(status)?.[1] ?? 'ffffffffffffffff'}`)
  return all.filter((_, number) => (bits >> BigInt(number)) & 1n)
}

/**
 * The capabilities of a container: names with or without `CAP_`, and `ALL`, which is what the agent has; what is
 * dropped wins over `ALL`.
 */
export function capabilitiesOf(asked: Capability | null, isPrivileged: boolean): string[] {
  if (isPrivileged) return givable.toSorted()
  const added = (asked?.addCapabilities ?? []).map(nameOf)
  const dropped = (asked?.dropCapabilities ?? []).map(nameOf)
  const first = dropped.includes('CAP_ALL') ? [] : added.includes('CAP_ALL') ? givable : usual
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
