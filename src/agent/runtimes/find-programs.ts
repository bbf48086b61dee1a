import { basename, join } from 'node:path'
import { findStats, listNames } from '../doctor/machine-files.ts'
import type { Machine } from '../doctor/types.ts'
import { recogniseRuntime } from './known-runtimes.ts'
import { readFeatures, readPlusses, readVersion } from './read-version.ts'
import type { IsolationLevel } from './types.ts'

/** A program that starts containers, or stands between containerd and one that does. */
export interface RuntimeProgram {
  /** `runc`, `kata`, `wasmtime`, …, as in reports. */
  readonly runtime: string
  readonly isolation: IsolationLevel
  readonly path: string
  /** containerd calls it by a name of its own: `io.containerd.runsc.v1`. */
  readonly shim?: string
  /** Undefined when it does not say it. */
  readonly version: string | undefined
  readonly features: readonly string[]
}

/** Where packages and installers put them, beside the path. */
const usualFolders = [
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
  '/opt/kata/bin',
  '/opt/kwasm/bin',
  '/opt/containerd/bin',
  '/usr/libexec/crio',
  '/usr/lib/cri-o-runc/sbin',
  '/var/lib/rancher/k3s/data/current/bin',
  '/var/lib/rancher/rke2/bin',
  '/snap/microk8s/current/bin',
] as const

const lowLevel = [
  'runc',
  'crun',
  'crun-wasm',
  'runsc',
  'youki',
  'kata-runtime',
  'wasmtime',
  'wasmedge',
] as const
const shimName = /^containerd-shim-([a-z0-9]+(?:-[a-z0-9]+)*)-(v\d+)$/
const maximumPrograms = 50

type Describe = (machine: Machine, path: string) => Promise<RuntimeProgram | undefined>

/**
 * The container runtimes that a machine has: each program once, the first of a name as a shell finds it. Programs of
 * another root are found, and not asked.
 */
export async function findPrograms(
  machine: Machine,
  describe: Describe = describeProgram,
  path = process.env['PATH'] ?? '',
): Promise<RuntimeProgram[]> {
  const found = new Map<string, string>()
  for (const folder of foldersOf(machine, path)) {
    for (const name of listPrograms(machine, folder)) {
      if (!found.has(name)) found.set(name, join(folder, name))
    }
  }
  const programs = [...found.values()].slice(0, maximumPrograms)
  const described = await Promise.all(programs.map((one) => describe(machine, one)))
  return described.flatMap((one) => one ?? [])
}

function foldersOf({ root }: Machine, path: string): string[] {
  // The path is this machine's.
  const ours = root === '/' ? path.split(':').filter((one) => one.startsWith('/')) : []
  return [...new Set([...ours, ...usualFolders])]
}

function listPrograms(machine: Machine, folder: string): string[] {
  const shims = listNames(machine, folder).filter((name) => shimName.test(name))
  return [...lowLevel, ...shims].filter((name) => isProgram(machine, join(folder, name)))
}

function isProgram(machine: Machine, path: string): boolean {
  const stats = lookAt(machine, path)
  return stats?.isFile() === true && (stats.mode & 0o111) !== 0
}

/** Asks a program only when its file has changed, for whoever looks again and again. */
export function describeOnce(): Describe {
  const known = new Map<string, RuntimeProgram | undefined>()
  return async (machine, path) => {
    const { mtimeMs, size, ino } = lookAt(machine, path) ?? {}
    const key = [path, mtimeMs, size, ino].join(' ')
    if (!known.has(key)) known.set(key, await describeProgram(machine, path))
    return known.get(key)
  }
}

/** A program as it describes itself; undefined for one of a kind that is not known. */
export async function describeProgram(machine: Machine, path: string): Promise<RuntimeProgram | undefined> {
  const name = basename(path)
  const known = recogniseRuntime([name])
  if (!known) return undefined
  const [, type, version] = shimName.exec(name) ?? []
  if (type !== undefined) {
    const said = await machine.run(path, ['-v'])
    return {
      runtime: known.name,
      isolation: known.isolation,
      path,
      shim: `io.containerd.${type.replaceAll('-', '.')}.${version as string}`,
      version: said === undefined ? undefined : readVersion(said),
      features: [],
    }
  }
  const said = (await machine.run(path, ['--version'])) ?? ''
  const told = ['runc', 'crun', 'crun-wasm', 'youki'].includes(known.name)
    ? readFeatures((await machine.run(path, ['features'])) ?? '')
    : undefined
  return {
    runtime: known.name,
    isolation: known.isolation,
    path,
    version: readVersion(said),
    features: [...new Set([...(told ?? []), ...readPlusses(said)])],
  }
}

/** What this account may not see is not there for it. */
function lookAt(machine: Machine, path: string): ReturnType<typeof findStats> {
  try {
    return findStats(machine, path)
  } catch {
    return undefined
  }
}
