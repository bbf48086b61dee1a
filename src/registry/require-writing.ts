import type { Caller } from '../identity/index.ts'
import type { Reference, RepositoryName } from '../kernel/reference.ts'
import { RegistryFailure } from './failures.ts'
import type { ParsedManifest } from './parse-manifest.ts'
import type { RegistryParts } from './parts.ts'

/** Throws unless the caller may push here, or at least attach: blobs go up before anybody knows what for. */
export async function requireWriting(
  { mayAccess, requireAccess }: Pick<RegistryParts, 'mayAccess' | 'requireAccess'>,
  caller: Caller,
  repository: RepositoryName,
): Promise<void> {
  if (await mayAccess(caller, 'sign', repository)) return
  await requireAccess(caller, 'push', repository)
}

/** Tags that are made of a digest, as cosign's are: they belong to the image and not to people. */
const attachmentTag = /^sha(256|512)-[0-9a-f]{64,128}(\.(sig|att|sbom))$/

/**
 * Throws DENIED when somebody who may only attach pushes anything else: a manifest has to refer to another, or
 * stand under a tag of cosign's, and to have nothing in it that a runtime runs.
 */
export function requireAttachment(
  { kind, subject }: ParsedManifest,
  reference: Reference,
  repository: RepositoryName,
): void {
  const isAttached = subject !== undefined && reference.kind === 'digest'
  const isTagged = reference.kind === 'tag' && attachmentTag.test(reference.tag)
  if (kind === 'artifact' && (isAttached || isTagged)) return
  throw new RegistryFailure(
    'DENIED',
    `the right "sign" on ${repository} is to attach signatures and attestations; this manifest needs "push"`,
  )
}
