import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Descriptor } from '../../kernel/media-types.ts'
import { findImages, invalid, layoutBlobFile } from './layout-images.ts'
import type { OpenTarget, TargetKind, TargetOptions } from './types.ts'

/** An OCI image layout folder; `FOLDER:TAG` names one of several images in it (image-layout.md). */
export const ociLayout: TargetKind = {
  name: 'oci-layout',
  help: 'OCI image layout folder, with :TAG when it has several images',
  async fits(path) {
    return isFile(join(splitTag(path).folder, 'oci-layout'))
  },
  async open(location, options) {
    const { folder, tag } = (await isFile(join(location, 'oci-layout')))
      ? { folder: location, tag: undefined }
      : splitTag(location)
    return openLayout(folder, tag, location, options, async () => {})
  },
}

/** Opens a layout folder under a name. */
export async function openLayout(
  folder: string,
  tag: string | undefined,
  name: string,
  options: TargetOptions,
  close: () => Promise<void>,
): Promise<OpenTarget> {
  const root = await findRoot(folder, tag, name)
  return {
    kind: 'oci-layout',
    name,
    images: await findImages(root, layoutBlobFile(folder), options),
    close,
  }
}

async function findRoot(folder: string, tag: string | undefined, name: string): Promise<Descriptor> {
  const path = join(folder, 'index.json')
  let manifests: readonly Descriptor[]
  try {
    manifests = (JSON.parse(await readFile(path, 'utf8')) as { manifests?: Descriptor[] }).manifests ?? []
  } catch (error) {
    throw invalid(`index.json of ${name} cannot be read: ${(error as Error).message}`, error)
  }
  const nameOf = (one: Descriptor): string | undefined =>
    one.annotations?.['org.opencontainers.image.ref.name']
  const fitting = tag === undefined ? manifests : manifests.filter((one) => nameOf(one) === tag)
  const [root, ...others] = fitting
  // One image under several names is one image.
  if (root && others.every(({ digest }) => digest === root.digest)) return root
  const names = manifests.map((one) => nameOf(one) ?? one.digest).join(', ')
  throw invalid(
    root
      ? `${name} has several images; name one: FOLDER:TAG, of ${names}`
      : `${name} has no image${tag === undefined ? '' : ` ${tag}; it has ${names || 'none'}`}`,
  )
}

function splitTag(path: string): { folder: string; tag: string | undefined } {
  const colon = path.lastIndexOf(':')
  if (colon <= 0 || path.indexOf('/', colon) >= 0) return { folder: path, tag: undefined }
  return { folder: path.slice(0, colon), tag: path.slice(colon + 1) }
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true
}
