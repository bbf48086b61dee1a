import type { Digest } from '../kernel/digest.ts'
import { RemoteFailure, RemoteRepository, type DoorOptions } from '../registry/offline.ts'
import { EvidenceUnavailable, type EvidenceSource } from './types.ts'

export interface RemoteSourceOptions extends Omit<DoorOptions, 'server'> {
  /** `host[:port]`, or the URL of the registry. */
  readonly registry: string
  readonly repository: string
}

/** What hangs on images in a repository of any registry, over HTTP. */
export function remoteSource({ registry, repository, ...options }: RemoteSourceOptions): EvidenceSource {
  const isUrl = registry.includes('://')
  const host = isUrl ? new URL(registry).host : registry
  let opening: Promise<RemoteRepository> | undefined
  const open = (): Promise<RemoteRepository> =>
    (opening ??= RemoteRepository.open(host, repository, {
      ...options,
      ...(isUrl ? { server: registry } : {}),
    }))
  return sourceOf(open)
}

/** The same over a repository that is open. */
export function sourceOf(open: () => Promise<RemoteRepository>): EvidenceSource {
  return {
    findTag: (tag) => orUnavailable(async () => (await (await open()).findManifest(tag))?.digest),
    findManifest: (digest) => orUnavailable(async () => (await open()).findManifest(digest)),
    listReferrers: (digest, limit) => orUnavailable(async () => (await open()).listReferrers(digest, limit)),
    readBlob: (digest: Digest, maximumBytes) =>
      orUnavailable(async () => {
        const blob = await (await open()).findBlob(digest, maximumBytes)
        if (!blob) throw new EvidenceUnavailable(`the registry has no blob ${digest}`)
        return blob
      }),
  }
}

/** A registry that does not answer, or answers something else, says nothing of an image, neither good nor bad. */
async function orUnavailable<Found>(ask: () => Promise<Found>): Promise<Found> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof RemoteFailure) throw new EvidenceUnavailable(error.message)
    throw error
  }
}
