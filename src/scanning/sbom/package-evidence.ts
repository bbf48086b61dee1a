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
  readonly removedIn?: string
}

export function evidenceOf(
  found: InstalledPackage & { readonly removedIn?: number },
  inventory: Inventory,
): PackageEvidence {
  const layer = inventory.layers[found.layer]
  const removedIn = found.removedIn === undefined ? undefined : inventory.layers[found.removedIn]
  return {
    path: found.path,
    ...(layer ? { layer: layer.digest, diffId: layer.diffId } : {}),
    ...(found.sourceName === undefined ? {} : { sourceName: found.sourceName }),
    ...(found.sourceVersion === undefined ? {} : { sourceVersion: found.sourceVersion }),
    ...(found.module === undefined ? {} : { module: found.module }),
    ...(found.vendor === undefined ? {} : { vendor: found.vendor }),
    ...(removedIn === undefined ? {} : { removedIn: removedIn.digest }),
  }
}

/** `util-linux 2.38.1-5`, when the package was built from another source package or version. */
export function sourcePackage(found: InstalledPackage): string | undefined {
  if (found.sourceName === undefined && found.sourceVersion === undefined) return undefined
  return `${found.sourceName ?? found.name} ${found.sourceVersion ?? found.version}`
}
