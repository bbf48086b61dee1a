import { lstat, mkdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, normalize } from 'node:path'
import type { Mount } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'
import { copyTree, type CopyBudget } from './copy-tree.ts'

/** Of all that is copied for a container. */
const maximumCopiedBytes = 64 * 1024 * 1024
const maximumCopiedEntries = 20_000

/** A folder of the machine as a module sees it; `isOwn` when it is this container's and nobody else's. */
interface SeenFolder {
  readonly path: string
  readonly isOwn: boolean
}

/**
 * The folders that a module may see. WASI opens folders only, and for reading and writing alike: what is mounted to
 * be read only, and single files, are copies, so that what the module does to them reaches nobody else. Throws
 * FAILED_PRECONDITION for what is not there, is too much to copy, or would have to be put among the node's own files.
 */
export async function openFolders(
  mounts: readonly Mount[],
  root: string | undefined,
  bundle: string,
): Promise<Record<string, string>> {
  const folders = new Map<string, SeenFolder>()
  if (root !== undefined) folders.set('/', { path: root, isOwn: true })
  const budget = { bytes: maximumCopiedBytes, entries: maximumCopiedEntries }
  const files: { readonly mount: Mount; readonly source: string }[] = []
  for (const [index, mount] of mounts.entries()) {
    const seen = placeOf(mount)
    const source = await find(mount)
    if (!(await stat(source)).isDirectory()) files.push({ mount, source })
    else if (!mount.readonly) folders.set(seen, { path: source, isOwn: false })
    else {
      const path = join(bundle, 'folders', String(index))
      await copy(source, path, budget)
      folders.set(seen, { path, isOwn: true })
    }
  }
  // When all folders are known: a file may belong into one of them.
  for (const [index, { mount, source }] of files.entries()) {
    const seen = dirname(placeOf(mount))
    const folder = folders.get(seen) ?? { path: join(bundle, 'files', String(index)), isOwn: true }
    await putFile(mount, source, folder, budget)
    folders.set(seen, folder)
  }
  return Object.fromEntries([...folders].map(([seen, { path }]) => [seen, path]))
}

async function putFile(
  { containerPath, hostPath }: Mount,
  source: string,
  { path, isOwn }: SeenFolder,
  budget: CopyBudget,
): Promise<void> {
  if (!isOwn) {
    throw new CriFailure(
      'FAILED_PRECONDITION',
      `the file ${hostPath} cannot be mounted at ${containerPath}, as it would be written into a folder of this node; mount it in a folder of its own`,
    )
  }
  const place = join(path, basename(containerPath))
  if ((await lstat(place).catch(() => undefined))?.isDirectory()) {
    throw new CriFailure('FAILED_PRECONDITION', `${hostPath} is a file, and ${containerPath} is a folder`)
  }
  await mkdir(path, { recursive: true })
  await copy(source, place, budget)
}

/** Where something of this node really is, as its path may lead through links of the node's owner. */
async function find({ hostPath, containerPath }: Mount): Promise<string> {
  try {
    return await realpath(hostPath)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unreadable(hostPath, error)
    throw new CriFailure(
      'FAILED_PRECONDITION',
      `there is no ${hostPath} on this node to mount at ${containerPath}; make it first`,
    )
  }
}

async function copy(from: string, to: string, budget: CopyBudget): Promise<void> {
  try {
    await mkdir(dirname(to), { recursive: true })
    await copyTree(from, to, budget)
  } catch (error) {
    throw error instanceof CriFailure ? error : unreadable(from, error)
  }
}

function unreadable(path: string, cause: unknown): CriFailure {
  return new CriFailure(
    'FAILED_PRECONDITION',
    `${path} cannot be read for the module: ${(cause as Error).message}; let the account of the agent read it`,
    { cause },
  )
}

function placeOf({ containerPath }: Mount): string {
  const place = normalize(containerPath)
  return place === '/' ? place : place.replace(/\/$/, '')
}
