import type { CriHandlers } from '../cri/backend.ts'
import type { AuthConfig, Image } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'
import type { Loose } from '../cri/protocol.ts'
import { signInOf } from '../cri/sign-in-of.ts'
import type { ContentStore, StoredImage } from './types.ts'

export interface ImageHandlerParts {
  readonly store: ContentStore
  /** Path of the store, as the id of its file system. */
  readonly folder: string
  readonly now: () => number
  /** Whether a container uses it: then it stays. */
  readonly isUsed: (image: StoredImage) => boolean
  /** Called when an image has gone. */
  readonly removed?: () => Promise<void>
}

/** ImageService of the CRI for runtimes of our own, over a content store. */
export function imageHandlers({ store, folder, now, isUsed, removed }: ImageHandlerParts): CriHandlers {
  return {
    async PullImage({ image, auth }, context) {
      const stored = await store.pull({ reference: image?.image ?? '', ...credentialsOf(auth) }, context)
      return { imageRef: stored.id }
    },
    async ImageStatus({ image, verbose }) {
      const found = store.find(image?.image ?? '')
      return {
        image: found ? describe(found) : null,
        info: found && verbose ? { info: JSON.stringify({ imageSpec: found.config }) } : {},
      }
    },
    async ListImages({ filter }) {
      const named = filter?.image?.image ?? ''
      const found = named === '' ? store.list() : [store.find(named)].filter((one) => one !== undefined)
      return { images: found.map(describe) }
    },
    async *StreamImages({ filter }) {
      const named = filter?.image?.image ?? ''
      for (const one of named === '' ? store.list() : [store.find(named)]) {
        if (one) yield { images: [describe(one)] }
      }
    },
    async RemoveImage({ image }) {
      const found = store.find(image?.image ?? '')
      if (!found) return {}
      if (isUsed(found)) {
        throw new CriFailure(
          'FAILED_PRECONDITION',
          `${image?.image} is used by a container; remove that first`,
        )
      }
      await store.remove(image?.image ?? '')
      await removed?.()
      return {}
    },
    async ImageFsInfo() {
      const { usedBytes, inodes } = await store.usage()
      const usage = {
        timestamp: now() * 1e6,
        fsId: { mountpoint: folder },
        usedBytes: { value: usedBytes },
        inodesUsed: { value: inodes },
      }
      return { imageFilesystems: [usage], containerFilesystems: [usage] }
    },
  }
}

function credentialsOf(auth: AuthConfig | null) {
  const credentials = signInOf(auth)
  return credentials ? { credentials } : {}
}

/** CRI, Image: the user is a number or a name, as the image says. */
function describe({ id, references, sizeBytes, config }: StoredImage): Loose<Image> {
  const [user = ''] = (config.config?.User ?? '').split(':')
  return {
    id,
    repoTags: references.filter((one) => !one.includes('@')),
    repoDigests: references.filter((one) => one.includes('@')),
    size: sizeBytes,
    ...(/^\d+$/.test(user) ? { uid: { value: Number(user) } } : { username: user }),
  }
}
