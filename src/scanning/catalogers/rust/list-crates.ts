import { namePackage } from '../name-package.ts'
import { asObject } from '../read-json.ts'
import type { FoundPackage } from '../types.ts'

/** As much as cargo-auditable's own readers take, packed or unpacked. */
export const maximumListBytes = 8 * 1024 * 1024

/**
 * The crates in a program, as cargo-auditable lists them (its schema: `packages` with `name`, `version`, `source`,
 * `kind`), without those that only ran while it was built. Undefined for what is no such list.
 */
export function listCrates(text: string): FoundPackage[] | undefined {
  const entries = readEntries(text)
  return entries?.flatMap((entry) => {
    const { name, version, kind } = asObject(entry)
    if (kind !== undefined && kind !== 'runtime') return []
    return namePackage('cargo', name, version) ?? []
  })
}

function readEntries(text: string): readonly unknown[] | undefined {
  try {
    const { packages } = asObject(JSON.parse(text))
    return Array.isArray(packages) ? (packages as readonly unknown[]) : undefined
  } catch {
    return undefined
  }
}
