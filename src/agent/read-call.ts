import { isDigest, type Digest } from '../kernel/digest.ts'
import { JsonError, parseStrictJson } from '../kernel/json.ts'
import { isTag } from '../kernel/reference.ts'
import { RuntimeFailure } from '../runtime/failures.ts'
import { normalizeHost } from './normalize-host.ts'
import type { Subject } from '../signing/offline.ts'

/** An image as a runtime names it. */
export interface ImageReference {
  /** `host[:port]` in lower case, without the port that goes without saying. */
  readonly host: string
  readonly repository: string
  readonly tag?: string
}

/** What containerd asks of a verifier (containerd, "Image Verification"). */
export interface VerifierCall {
  readonly name: string
  readonly digest: Digest
  readonly stdinMediaType: string | undefined
}

const flags = ['name', 'digest', 'stdin-media-type'] as const
export const descriptorMediaType = 'application/vnd.oci.descriptor.v1+json'
const maximumReference = 1024

/** Reads flags with one dash or two, `-name value` or `-name=value`. Throws CALL_INVALID. */
export function readCall(argv: readonly string[]): VerifierCall {
  const given = new Map<string, string>()
  for (let index = 0; index < argv.length; index++) {
    const [, name = '', inline] = /^--?([a-z-]+)(?:=(.*))?$/s.exec(argv[index] as string) ?? []
    if (!(flags as readonly string[]).includes(name) || given.has(name)) {
      throw invalid(
        `${JSON.stringify(argv[index])} is not understood; there are -name, -digest, -stdin-media-type`,
      )
    }
    const value = inline ?? argv[++index]
    if (value === undefined) throw invalid(`-${name} has no value`)
    given.set(name, value)
  }
  const [name, digest] = [given.get('name'), given.get('digest')]
  if (name === undefined || digest === undefined) throw invalid('-name and -digest have to be given')
  if (!isDigest(digest)) throw invalid(`${JSON.stringify(digest.slice(0, 160))} is no digest`)
  return { name, digest, stdinMediaType: given.get('stdin-media-type') }
}

/** The descriptor that containerd writes to the verifier; it has to be about the same digest. */
export function readDescriptor({ digest, stdinMediaType }: VerifierCall, input: string): Subject {
  if (stdinMediaType !== undefined && stdinMediaType !== descriptorMediaType) {
    throw invalid(`what is on standard input is a ${stdinMediaType}, not a ${descriptorMediaType}`)
  }
  let document: Partial<Subject> | null
  try {
    document = parseStrictJson(input, 16) as Partial<Subject> | null
  } catch (error) {
    if (error instanceof JsonError) throw invalid(`the descriptor on standard input is ${error.message}`)
    throw error
  }
  const { mediaType, size, digest: described } = document ?? {}
  if (described !== digest) throw invalid('the descriptor on standard input is of another digest')
  if (typeof mediaType !== 'string' || !Number.isSafeInteger(size) || (size as number) < 0) {
    throw invalid('the descriptor on standard input has no media type or no size')
  }
  return { digest, mediaType, size: size as number }
}

/** Reads `host[:port]/repository[:tag][@digest]`. Throws CALL_INVALID. */
export function readReference(text: string, digest: Digest): ImageReference {
  const shown = JSON.stringify(text.slice(0, 300))
  if (text.length > maximumReference) throw invalid(`the reference ${shown} is too long`)
  const [name = '', pinned, ...more] = text.split('@')
  if (more.length > 0 || (pinned !== undefined && pinned !== digest)) {
    throw invalid(`the reference ${shown} names another digest than ${digest}`)
  }
  const slash = name.indexOf('/')
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1)
  const tag = colon > slash ? name.slice(colon + 1) : undefined
  const repository = name.slice(slash + 1, tag === undefined ? undefined : colon)
  const isRepository = repository
    .split('/')
    .every((part) => /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/.test(part))
  if (slash <= 0 || !isRepository || (tag !== undefined && !isTag(tag))) {
    throw invalid(`${shown} is no reference with a registry in front`)
  }
  return { host: normalizeHost(name.slice(0, slash)), repository, ...(tag === undefined ? {} : { tag }) }
}

function invalid(why: string): RuntimeFailure {
  return new RuntimeFailure('CALL_INVALID', why)
}
