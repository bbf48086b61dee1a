import { existsSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import type { CallContext } from '../cri/backend.ts'
import type { ContainerConfig, Mount } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'
import type { HeldParts } from './engine-parts.ts'
import type { ContainerRecord } from './types.ts'

/**
 * The configuration of a container with folders of the machine in the place of images that are mounted (CRI, Mount:
 * they are only read). They go with the container. Throws NOT_FOUND for an image that is not here, INVALID_ARGUMENT
 * for a part of it that it does not have.
 */
export async function withImageVolumes(
  { store, snapshots }: Pick<HeldParts, 'store' | 'snapshots'>,
  id: string,
  config: ContainerConfig,
  context: CallContext,
): Promise<ContainerConfig> {
  const mounts: Mount[] = []
  for (const [index, mount] of config.mounts.entries()) {
    if (!mount.image) {
      mounts.push(mount)
      continue
    }
    const named = mount.image.image
    const image = store.find(named)
    if (!image) throw new CriFailure('NOT_FOUND', `there is no image ${named} here to mount; pull it first`)
    const root = await snapshots.prepareVolume(image, id, index, context)
    mounts.push({ ...mount, image: null, hostPath: inside(root, mount), readonly: true })
  }
  return { ...config, mounts }
}

/** Of an image that is mounted in part, that part; links of the image lead nowhere else. */
function inside(root: string, { imageSubPath, containerPath }: Mount): string {
  const asked = join(root, imageSubPath)
  const path = existsSync(asked) ? realpathSync(asked) : undefined
  if (path !== undefined && `${path}/`.startsWith(`${realpathSync(root)}/`)) return path
  throw new CriFailure(
    'INVALID_ARGUMENT',
    `the image that is mounted at ${containerPath} has no ${imageSubPath} in it`,
  )
}

/** Whether a container runs the image of this id, or has it mounted. */
export function usesImage(
  { store }: Pick<HeldParts, 'store'>,
  { imageId, config }: ContainerRecord,
  id: string,
): boolean {
  return (
    imageId === id || config.mounts.some(({ image }) => image !== null && store.find(image.image)?.id === id)
  )
}
