import { mediaTypes } from '../kernel/media-types.ts'
import { ScanningFailure } from './failures.ts'
import type { LayerTask } from './process/scan-task.ts'

/** Longer instructions are cut: they are shown, never run. */
const maximumInstruction = 4096
const imageConfigs: readonly string[] = [mediaTypes.ociConfig, mediaTypes.dockerConfig]

/** As much of an image's config as tells of its layers; whatever it really is. */
export interface LayerConfig {
  readonly rootfs?: { readonly diff_ids?: unknown } | null
  readonly history?: unknown
}

/**
 * Layers with what the config says of each. Throws SCAN_FAILED for an image whose config does not name what
 * each layer unpacks to (image-spec, "rootfs"): without it two tools may unpack the same bytes differently, and
 * nobody would notice.
 */
export function describeLayers(
  layers: readonly { readonly digest: string; readonly mediaType: string }[],
  { rootfs, history }: LayerConfig,
  configType: string | undefined,
): Omit<LayerTask, 'bytes'>[] {
  const diffIds = textsOf(rootfs?.diff_ids)
  const isImage = configType === undefined || imageConfigs.includes(configType)
  if (isImage && diffIds.length !== layers.length) {
    throw new ScanningFailure(
      'SCAN_FAILED',
      `the config names ${diffIds.length} diff-ids for ${layers.length} layers`,
    )
  }
  const instructions = instructionsOf(history)
  return layers.map(({ digest, mediaType }, index) => {
    const [diffId, instruction] = [diffIds[index], instructions[index]]
    return {
      digest,
      mediaType,
      ...(diffId === undefined ? {} : { diffId }),
      ...(instruction === undefined ? {} : { instruction }),
    }
  })
}

/** `created_by` of every step that made a layer (image-spec, "history"). */
function instructionsOf(history: unknown): (string | undefined)[] {
  if (!Array.isArray(history)) return []
  return (history as ({ created_by?: unknown; empty_layer?: unknown } | null)[])
    .filter((step) => step?.empty_layer !== true)
    .map((step) =>
      typeof step?.created_by === 'string' ? step.created_by.slice(0, maximumInstruction) : undefined,
    )
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : []
}
