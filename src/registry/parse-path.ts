import { parseDigest, type Digest } from '../kernel/digest.ts'
import { KernelFailure } from '../kernel/failure.ts'
import { parseRepositoryName, type RepositoryName } from '../kernel/reference.ts'

/**
 * What a path below `/v2/` names (distribution-spec, "Endpoints"), and the one of the signature extension. The manifest
 * reference is still text.
 */
export type RegistryPath =
  | { readonly kind: 'base' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'tags'; readonly repository: RepositoryName }
  | { readonly kind: 'manifest'; readonly repository: RepositoryName; readonly reference: string }
  | { readonly kind: 'blob'; readonly repository: RepositoryName; readonly digest: Digest }
  | { readonly kind: 'uploads'; readonly repository: RepositoryName }
  | { readonly kind: 'upload'; readonly repository: RepositoryName; readonly id: string }
  | { readonly kind: 'referrers'; readonly repository: RepositoryName; readonly digest: Digest }
  | { readonly kind: 'signatures'; readonly repository: RepositoryName; readonly digest: Digest }

/**
 * Reads a request path. Undefined: no endpoint has this form. Throws NAME_INVALID or DIGEST_INVALID.
 * Parts are decoded one by one, so that an encoded slash can never make a path longer.
 */
export function parsePath(path: string): RegistryPath | undefined {
  if (path === '/v2' || path === '/v2/') return { kind: 'base' }
  if (path === '/v2/_catalog') return { kind: 'catalog' }
  if (path.startsWith(extensionRoot)) return parseExtensionPath(path.slice(extensionRoot.length))
  const parts = path.slice('/v2/'.length).split('/').map(decodePart)
  const last = parts.at(-1) as string
  const word = parts.at(-2)
  if (word === 'tags' && last === 'list') {
    return { kind: 'tags', repository: nameOf(parts, 2) }
  }
  if (word === 'manifests') return { kind: 'manifest', repository: nameOf(parts, 2), reference: last }
  if (word === 'referrers') {
    return { kind: 'referrers', repository: nameOf(parts, 2), digest: parseDigest(last) }
  }
  if (parts.at(-3) === 'blobs' && word === 'uploads') {
    const repository = nameOf(parts, 3)
    return last === '' ? { kind: 'uploads', repository } : { kind: 'upload', repository, id: last }
  }
  if (word !== 'blobs') return undefined
  if (last === 'uploads') return { kind: 'uploads', repository: nameOf(parts, 2) }
  return { kind: 'blob', repository: nameOf(parts, 2), digest: parseDigest(last) }
}

const extensionRoot = '/extensions/v2/'

/** `<name>/signatures/<digest>` (containers/image, "X-Registry-Supports-Signatures"). */
function parseExtensionPath(path: string): RegistryPath | undefined {
  const parts = path.split('/').map(decodePart)
  if (parts.at(-2) !== 'signatures') return undefined
  return { kind: 'signatures', repository: nameOf(parts, 2), digest: parseDigest(parts.at(-1) as string) }
}

function nameOf(parts: readonly string[], without: number): RepositoryName {
  return parseRepositoryName(parts.slice(0, -without).join('/'))
}

function decodePart(part: string): string {
  if (!part.includes('%')) return part
  try {
    const text = decodeURIComponent(part)
    if (!/[/\\\0]/.test(text)) return text
  } catch {
    // Falls through to the refusal.
  }
  throw new KernelFailure('NAME_INVALID', `${JSON.stringify(part.slice(0, 160))} is not a part of a path`)
}
