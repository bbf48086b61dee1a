import { invalid } from './layout-images.ts'
import { archive } from './archive.ts'
import { ociLayout } from './oci-layout.ts'
import { registry } from './registry.ts'
import { rootfs } from './rootfs.ts'
import { sbom } from './sbom.ts'
import type { OpenTarget, TargetKind, TargetOptions } from './types.ts'

/** Everything that can be scanned without a server, in the order in which a path is tried. */
export const targetKinds: readonly TargetKind[] = [ociLayout, archive, sbom, rootfs, registry]

/** The kind that a text names in front, or that the path fits; undefined when it is none of them. */
export async function findTargetKind(
  text: string,
): Promise<{ readonly kind: TargetKind; readonly location: string } | undefined> {
  const named = targetKinds.find(({ name }) => text.startsWith(`${name}:`))
  if (named) return { kind: named, location: text.slice(named.name.length + 1) }
  for (const kind of targetKinds) if (await kind.fits(text)) return { kind, location: text }
  return undefined
}

/** Opens what is to be scanned. Throws TARGET_INVALID when it is nothing that can be. */
export async function openTarget(text: string, options: TargetOptions): Promise<OpenTarget> {
  const found = await findTargetKind(text)
  if (found) return found.kind.open(found.location, options)
  throw invalid(
    `${text} is nothing that can be scanned; name a ${targetKinds.map(({ name }) => `${name}:…`).join(', ')}`,
  )
}

export type { OpenTarget, TargetImage, TargetKind, TargetOptions } from './types.ts'
