import type { InstalledPackage, Inventory } from '../types.ts'

/** Where a package was found, as every format writes it down and as we read it back. */
export interface PackageEvidence {
  readonly path: string
  readonly layer?: string
  readonly diffId?: string
  readonly sourceName?: string
  readonly sourceVersion?: string
  readonly module?: string
  readonly vendor?: string
}

export function evidenceOf(found: InstalledPackage, inventory: Inventory): PackageEvidence {
  const layer = inventory.layers[found.layer]
  return {
    path: found.path,
    ...(layer ? { layer: layer.digest, diffId: layer.diffId } : {}),
    ...(found.sourceName === undefined ? {} : { sourceName: found.sourceName }),
    ...(found.sourceVersion === undefined ? {} : { sourceVersion: found.sourceVersion }),
    ...(found.module === undefined ? {} : { module: found.module }),
    ...(found.vendor === undefined ? {} : { vendor: found.vendor }),
  }
}

/** `util-linux 2.38.1-5`, when the package was built from another source package or version. */
export function sourcePackage(found: InstalledPackage): string | undefined {
  if (found.sourceName === undefined && found.sourceVersion === undefined) return undefined
  return `${found.sourceName ?? found.name} ${found.sourceVersion ?? found.version}`
}
