import { cpSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Mount } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'

/** Of all that is copied for a container. */
const maximumCopiedBytes = 64 * 1024 * 1024

/**
 * The folders that a module may see. WASI opens folders only, and for reading and writing alike: what is mounted to
 * be read only, and single files, are copies, so that what the module does to them reaches nobody else. Throws
 * FAILED_PRECONDITION for what is not there, or is too much to copy.
 */
export function openFolders(
  mounts: readonly Mount[],
  root: string | undefined,
  bundle: string,
): Record<string, string> {
  const folders: Record<string, string> = root === undefined ? {} : { '/': root }
  let left = maximumCopiedBytes
  mounts.forEach(({ containerPath, hostPath, readonly }, index) => {
    if (!existsSync(hostPath)) {
      throw new CriFailure(
        'FAILED_PRECONDITION',
        `there is no ${hostPath} on this node to mount at ${containerPath}; make it first`,
      )
    }
    const isFolder = statSync(hostPath).isDirectory()
    if (isFolder && !readonly) {
      folders[containerPath] = hostPath
      return
    }
    left -= sizeOf(hostPath)
    if (left < 0) {
      throw new CriFailure(
        'FAILED_PRECONDITION',
        `${hostPath} is too large to be copied for a module that may only read it; mount less, or let it write`,
      )
    }
    const seen = isFolder ? containerPath : dirname(containerPath)
    const copy = folders[seen] ?? join(bundle, 'folders', String(index))
    mkdirSync(copy, { recursive: true })
    cpSync(hostPath, isFolder ? copy : join(copy, basename(containerPath)), {
      recursive: true,
      dereference: true,
    })
    folders[seen] = copy
  })
  return folders
}

function sizeOf(path: string): number {
  const stats = statSync(path)
  if (!stats.isDirectory()) return stats.size
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0)
}
