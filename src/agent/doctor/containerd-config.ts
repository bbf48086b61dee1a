import { dirname, join } from 'node:path'
import { parse } from 'smol-toml'
import { findPaths, findText } from './machine-files.ts'
import type { Machine } from './types.ts'

export const containerdConfigPath = '/etc/containerd/config.toml'
const maximumFiles = 100

/** The settings of containerd on which it depends whether a verifier is asked. */
export interface ContainerdConfig {
  /** `containerd config dump`, or the files that were read. */
  readonly from: string
  readonly disabledPlugins: readonly string[]
  readonly verifier: { readonly binDir: string; readonly maximum: number; readonly timeout: string }
  /** Of the plugin that pulls for Kubernetes. */
  readonly images: Readonly<Record<string, unknown>>
  /** Files in the oldest form, of which containerd 2 ignores most. */
  readonly oldFiles: readonly string[]
}

type Table = Readonly<Record<string, unknown>>

const verifierPlugin = 'io.containerd.image-verifier.v1.bindir'
const imagesPlugin = 'io.containerd.cri.v1.images'
/** Before containerd 2.0, where it is one plugin with what runs containers. */
const oldPlugin = 'io.containerd.grpc.v1.cri'

/** What containerd says of itself, or else what its files say. Throws when they cannot be read. */
export async function readContainerdConfig(machine: Machine): Promise<ContainerdConfig> {
  const dump = await machine.run('containerd', ['config', 'dump'])
  const dumped = dump === undefined ? undefined : tryParse(dump)
  if (dumped) return toConfig('containerd config dump', [dumped], [])
  const files = readFiles(machine)
  const old = files.filter(({ table }) => isOldest(table)).map(({ path }) => path)
  const from = files.map(({ path }) => path).join(', ') || 'defaults, as there is no file'
  return toConfig(
    from,
    files.map(({ table }) => table),
    old,
  )
}

function tryParse(text: string): Table | undefined {
  try {
    return parse(text)
  } catch {
    return undefined
  }
}

/** The main file, and those that it imports: later ones win. */
function readFiles(machine: Machine): { readonly path: string; readonly table: Table }[] {
  const found: { path: string; table: Table }[] = []
  const waiting = [containerdConfigPath]
  for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
    if (found.some((one) => one.path === path)) continue
    if (found.length >= maximumFiles) throw new Error(`more than ${maximumFiles} files are imported`)
    const text = findText(machine, path)
    if (text === undefined) continue
    const table = parse(text) as Table
    found.push({ path, table })
    const imports = Array.isArray(table['imports']) ? table['imports'] : []
    for (const one of imports) {
      if (typeof one !== 'string') continue
      const pattern = one.startsWith('/') ? one : join(dirname(path), one)
      waiting.push(...(pattern.includes('*') ? findPaths(machine, pattern) : [pattern]))
    }
  }
  return found
}

/** Without a version it is the first, which says `[plugins.cri]`. */
function isOldest(table: Table): boolean {
  const version = table['version'] ?? 1
  return typeof version === 'number' && version < 2 && Object.keys(tableOf(table['plugins'])).length > 0
}

function toConfig(from: string, tables: readonly Table[], oldFiles: readonly string[]): ContainerdConfig {
  const plugins = tables.map((table) => tableOf(table['plugins']))
  const verifier = mergeAll(plugins.map((all) => tableOf(all[verifierPlugin])))
  return {
    from,
    disabledPlugins: tables.flatMap((table) => {
      const list = table['disabled_plugins']
      return Array.isArray(list) ? list.filter((one) => typeof one === 'string') : []
    }),
    verifier: {
      binDir: textOf(verifier['bin_dir'], '/opt/containerd/image-verifier/bin'),
      maximum: numberOf(verifier['max_verifiers'], 10),
      timeout: textOf(verifier['per_verifier_timeout'], '10s'),
    },
    images: mergeAll(
      plugins.flatMap((all) => [fromOldPlugin(tableOf(all[oldPlugin])), tableOf(all[imagesPlugin])]),
    ),
    oldFiles,
  }
}

/** The old plugin kept some of these one level deeper. Not every containerd takes over all: better one too many. */
function fromOldPlugin(old: Table): Table {
  const names = ['max_concurrent_downloads', 'image_pull_with_sync_fs', 'registry', 'use_local_image_pull']
  const deeper = tableOf(old['containerd'])
  return {
    ...pick(old, names),
    ...pick(deeper, ['discard_unpacked_layers', 'disable_snapshot_annotations']),
  }
}

function pick(table: Table, names: readonly string[]): Table {
  return Object.fromEntries(Object.entries(table).filter(([name]) => names.includes(name)))
}

function mergeAll(tables: readonly Table[]): Table {
  const merged: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const table of tables) {
    for (const [name, value] of Object.entries(table)) {
      merged[name] = isTable(merged[name]) && isTable(value) ? mergeAll([merged[name], value]) : value
    }
  }
  return merged
}

function tableOf(value: unknown): Table {
  return isTable(value) ? value : {}
}

export function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

function textOf(value: unknown, fallback: string): string {
  return typeof value === 'string' ? value : fallback
}

function numberOf(value: unknown, fallback: number): number {
  return typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : fallback
}
