/** What is wrong with a low-level runtime on this machine, and what helps. */
export interface Explanation {
  /** Stable, for scripts: `hybrid-cgroups`. */
  readonly cause: string
  readonly why: string
  readonly remedy: string
}

interface KnownFailure extends Explanation {
  readonly pattern: RegExp
}

/** The first that fits counts, so what is more particular comes first. */
const knownFailures: readonly KnownFailure[] = [
  {
    cause: 'hybrid-cgroups',
    pattern: /cgroups? in hybrid mode not supported|drop all controllers from cgroupv2/i,
    why: 'it refuses control groups of both versions at once',
    remedy:
      'Use cgroup v2 alone (boot with systemd.unified_cgroup_hierarchy=1), or leave it no controller (/sys/fs/cgroup/unified/cgroup.controllers has to be empty), or use runc; the embedded engine starts it without control groups of its own.',
  },
  {
    cause: 'memlock',
    pattern: /RLIMIT_MEMLOCK/i,
    why: 'it may not raise the limit of locked memory (RLIMIT_MEMLOCK)',
    remedy: 'Give the service LimitMEMLOCK=infinity and CAP_SYS_RESOURCE.',
  },
  {
    cause: 'missing-library',
    pattern: /error while loading shared libraries|GLIBC_[\d.]+' not found|symbol lookup error/i,
    why: 'it lacks a library of this system',
    remedy: 'Install the package that was made for this release of the system.',
  },
  {
    cause: 'missing-program',
    pattern: /^there is no \//i,
    why: 'there is no such program',
    remedy: 'Install it, or correct its path in node.json or in the configuration of the daemon.',
  },
  {
    cause: 'wrong-architecture',
    pattern: /exec format error|ENOEXEC/i,
    why: 'it was made for another processor, or is no program',
    remedy: 'Install the one for this architecture.',
  },
  {
    cause: 'no-kvm',
    pattern:
      /\/dev\/kvm|kvm[^\n]*(no such file|not supported|permission denied|not available)|vhost[_-]vsock|no such file or directory: qemu|failed to (initialize|launch) qemu/i,
    why: 'it needs virtualisation (KVM), which this machine does not give',
    remedy:
      'Enable VT-x, AMD-V or nested virtualisation, load kvm_intel or kvm_amd and let it open /dev/kvm; or use gVisor (runsc) for strong isolation.',
  },
  {
    cause: 'no-new-user-mapping',
    pattern: /new[ug]idmap/i,
    why: 'newuidmap or newgidmap is missing, or has no ids to give',
    remedy: 'Install uidmap and give the account ranges in /etc/subuid and /etc/subgid.',
  },
  {
    cause: 'no-user-namespaces',
    pattern:
      /unshare.*user|user namespaces?[^\n]*(not|disabled|denied)|clone[^\n]*operation not permitted|CLONE_NEWUSER|max_user_namespaces|uid_map/i,
    why: 'it may not make a user namespace',
    remedy:
      'Set user.max_user_namespaces above 0 and allow unprivileged ones (kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns), or run the agent as root.',
  },
  {
    cause: 'no-ptrace',
    pattern: /ptrace|seccomp_unotify|yama/i,
    why: 'it may not trace processes',
    remedy: 'Set kernel.yama.ptrace_scope to 1 or less and give the agent CAP_SYS_PTRACE.',
  },
  {
    cause: 'unknown-platform',
    pattern: /unknown platform/i,
    why: 'it does not have this platform',
    remedy: 'Install a newer gVisor, or use --platform=ptrace.',
  },
  {
    cause: 'no-overlay',
    pattern:
      /overlay[^\n]*(no such device|not supported|unknown filesystem|operation not permitted|invalid argument)/i,
    why: 'the kernel gives it no overlay file system',
    remedy: 'Load the module overlay, and keep the state folder on ext4 or xfs (with ftype=1).',
  },
  {
    cause: 'no-cgroup-delegation',
    pattern:
      /cgroup[^\n]*(permission denied|read-only file system|operation not permitted|device or resource busy|not delegated)|(permission denied|read-only file system)[^\n]*cgroup/i,
    why: 'it may not make control groups here',
    remedy:
      'Give the service Delegate=yes in systemd, or, without root, cgroup v2 delegated to the account; else let it run without limits.',
  },
  {
    cause: 'no-cgroups',
    pattern: /cgroup[^\n]*(not mounted|mountpoint does not exist|no such file)|no cgroup mount found/i,
    why: 'control groups are not mounted',
    remedy: 'Mount cgroup2 at /sys/fs/cgroup.',
  },
  {
    cause: 'root-network',
    pattern: /cannot run with network enabled in root network namespace/i,
    why: "it does not start in the machine's own network",
    remedy: 'Give the pod a network of its own, or use --network=host or --network=none.',
  },
  {
    cause: 'full-disk',
    pattern: /no space left on device|disk quota exceeded/i,
    why: 'the disk is full',
    remedy: 'Make room where temporary and state files are.',
  },
  {
    cause: 'not-permitted',
    pattern: /operation not permitted|permission denied/i,
    why: 'the kernel does not permit it',
    remedy:
      'Run as root with CAP_SYS_ADMIN, and look for rules of AppArmor, SELinux or seccomp in the journal.',
  },
]

const maximumText = 300

/** What a runtime said when it failed, with a remedy where the cause is known. */
export function explainFailure(said: string, isTimedOut = false): Explanation {
  if (isTimedOut) {
    return {
      cause: 'hangs',
      why: 'it hangs, and was killed',
      remedy: 'Try another version of it, or another platform (runsc: --platform=systrap or ptrace).',
    }
  }
  const found = knownFailures.find(({ pattern }) => pattern.test(said))
  const quoted = lastWords(said)
  if (!found) {
    return {
      cause: 'unknown',
      why: quoted === '' ? 'it failed without a word' : `it failed: ${quoted}`,
      remedy: 'Look for the message in the documentation of the runtime.',
    }
  }
  const { cause, why, remedy } = found
  return { cause, why: quoted === '' ? why : `${why} (${quoted})`, remedy }
}

/** The last line says most; without time stamps, control characters and what is too long. */
function lastWords(said: string): string {
  const lines = said.split('\n').map((line) => line.replaceAll(/[^\x20-\x7e]/g, '').trim())
  const line = lines.findLast((one) => one !== '') ?? ''
  return line.length > maximumText ? `${line.slice(0, maximumText)}…` : line
}
