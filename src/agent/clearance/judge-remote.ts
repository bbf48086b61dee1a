import { RemoteFailure, RemoteRepository, type RemoteManifest } from '../../registry/offline.ts'
import { findScope, type RunningDemands } from '../../runtime/offline.ts'
import { EvidenceUnavailable, remoteSource } from '../../signing/offline.ts'
import { judgeImage } from '../judge-image.ts'
import { normalizeHost } from '../normalize-host.ts'
import { readNode, type Node } from '../read-node.ts'
import { parseImageName, type ImageName } from './parse-image-name.ts'
import type { Judgement, Question } from './types.ts'

const recheckMs = 3_000

/**
 * Judges an image by asking its registry and by verifying what hangs on it against the trust of the node. What the
 * registry's own gate refuses is refused with its words. Never throws.
 */
export async function judgeRemote(configPath: string, question: Question, now: number): Promise<Judgement> {
  let name = question.reference
  try {
    const image = parseImageName(question.reference)
    name = image.name
    const node = await readNode(configPath, now)
    return await judgeNamed(node, image, question, now)
  } catch (error) {
    return { isAllowed: false, name, ...explain(error, question) }
  }
}

async function judgeNamed(node: Node, image: ImageName, question: Question, now: number): Promise<Judgement> {
  const { config, trust } = node
  const isOurs = normalizeHost(image.host) === normalizeHost(config.registry)
  const scope = isOurs ? findScope(trust.scopes, image.repository) : undefined
  const asked = {
    name: image.name,
    ...(scope?.running ? { running: scope.running satisfies RunningDemands } : {}),
    trustIssuedAt: trust.issuedAt,
    expiresAt: trust.expiresAt,
  }
  let found: RemoteManifest
  try {
    found = await findImage(node, image, question, isOurs)
  } catch (error) {
    // What is asked of nodes is known all the same: glass may be broken for what the registry refuses.
    return { ...asked, isAllowed: false, ...explain(error, question) }
  }
  const about = { ...asked, digest: found.digest }
  if (question.isRecheck) return { ...about, isAllowed: true, reason: 'the registry gives it out' }
  const timeoutMs = config.timeoutMs ?? 8_000
  const signal = AbortSignal.timeout(timeoutMs)
  const credentials = signInFor(node, question, isOurs)
  const answer = await judgeImage(node, {
    image: {
      host: normalizeHost(image.host),
      repository: image.repository,
      ...(image.tag === undefined ? {} : { tag: image.tag }),
    },
    subject: { digest: found.digest, mediaType: found.mediaType, size: found.bytes.length },
    sourceOf: (repository) =>
      remoteSource({ registry: config.server, repository, signal, ...(credentials ? { credentials } : {}) }),
    now,
  })
  const isUnknown = !answer.isAllowed && signal.aborted
  return { ...about, isAllowed: answer.isAllowed, reason: answer.reason, ...(isUnknown ? { isUnknown } : {}) }
}

async function findImage(
  node: Node,
  { host, repository, tag, digest }: ImageName,
  question: Question,
  isOurs: boolean,
): Promise<RemoteManifest> {
  const credentials = signInFor(node, question, isOurs)
  const remote = await RemoteRepository.open(host, repository, {
    ...(isOurs ? { server: node.config.server } : {}),
    ...(credentials ? { credentials } : {}),
    timeoutMs: question.isRecheck ? recheckMs : (node.config.timeoutMs ?? 8_000),
  })
  const wanted = digest ?? (tag as string)
  const found = await remote.findManifest(wanted)
  if (found) return found
  throw new RemoteFailure('TARGET_UNREACHABLE', `${host} has no ${repository}, or no ${wanted} in it`, 404)
}

function signInFor({ credentials }: Node, { signIn }: Question, isOurs: boolean) {
  return signIn ?? (isOurs ? credentials : undefined)
}

function explain(error: unknown, { isRecheck }: Question): Pick<Judgement, 'reason' | 'isUnknown'> {
  const reason = error instanceof Error ? error.message : String(error)
  if (error instanceof EvidenceUnavailable) return { reason, isUnknown: true }
  if (!(error instanceof RemoteFailure)) return { reason }
  const { status } = error
  // No answer, and answers that say nothing of the image; 401 and 403 are the registry's own gate.
  const saysNothing = status === undefined || status === 429 || status >= 500
  // Tidied away in the registry is not refused: what runs here may start again while its clearance lasts.
  const isUnknown = saysNothing || (isRecheck === true && status === 404)
  return isUnknown ? { reason, isUnknown } : { reason }
}
