import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { testProgram } from './test-program.ts'

export interface BundleOptions {
  /** What the first process does. */
  readonly kind: 'exit' | 'wait'
  readonly cgroupsPath: string | undefined
  /** The account without root that runs it, which then is root in a user namespace. */
  readonly rootless?: { readonly userId: number; readonly groupId: number } | undefined
}

/**
 * Writes a bundle (runtime-spec, "Filesystem Bundle") with nothing in it but the test program. Gives false on a
 * processor for which there is none.
 */
export function writeBundle(folder: string, options: BundleOptions): boolean {
  const program = testProgram(options.kind)
  if (!program) return false
  // Mounts need folders to go to, as the root file system is read-only.
  for (const name of ['proc', 'dev', 'sys'])
    mkdirSync(join(folder, 'rootfs', name), { recursive: true, mode: 0o755 })
  writeFileSync(join(folder, 'rootfs', options.kind), program, { mode: 0o755 })
  writeFileSync(join(folder, 'config.json'), JSON.stringify(configOf(options)))
  return true
}

function configOf({ kind, cgroupsPath, rootless }: BundleOptions) {
  const namespaces = ['pid', 'ipc', 'uts', 'mount', 'network', ...(rootless ? ['user'] : [])]
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: [`/${kind}`],
      env: [],
      cwd: '/',
      capabilities: {},
      noNewPrivileges: true,
    },
    root: { path: 'rootfs', readonly: true },
    hostname: 'probe',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=64k'] },
    ],
    linux: {
      namespaces: namespaces.map((type) => ({ type })),
      ...(rootless
        ? {
            uidMappings: [{ containerID: 0, hostID: rootless.userId, size: 1 }],
            gidMappings: [{ containerID: 0, hostID: rootless.groupId, size: 1 }],
          }
        : cgroupsPath === undefined
          ? {}
          : { cgroupsPath }),
    },
  }
}
