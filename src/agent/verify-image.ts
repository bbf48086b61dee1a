import type { EvidenceSource } from '../signing/offline.ts'
import { defaultTimeoutMs } from '../runtime/offline.ts'
import { judgeImage, type Answer } from './judge-image.ts'
import { readCall, readDescriptor, readReference } from './read-call.ts'
import { readNode, readNodeConfig, type Node } from './read-node.ts'

/** What the program gets from its surroundings. */
export interface VerifierParts {
  /** Where `node.json` is. */
  readonly configPath: string
  /** The whole of standard input. */
  readonly readInput: () => Promise<string>
  readonly now: () => number
  /** Signatures of a repository, asked for with the account of the node until the signal says stop. */
  readonly sourceOf: (node: Node, repository: string, signal: AbortSignal) => EvidenceSource
}

/** Within what containerd shows of the first output. */
const maximumReasonBytes = 3_000

/**
 * Answers containerd's call about an image. Never throws and never waits longer than the node allows: whatever goes
 * wrong is a refusal that says what, and what to do.
 */
export async function verifyOnNode(argv: readonly string[], parts: VerifierParts): Promise<Answer> {
  const timeoutMs = readTimeout(parts.configPath)
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Answer>((resolve) => {
    timer = setTimeout(() => {
      controller.abort()
      resolve(
        refusal(
          `the image was not verified within ${timeoutMs} ms; see whether the registry answers, or raise timeoutMs in node.json`,
        ),
      )
    }, timeoutMs)
  })
  try {
    return shorten(await Promise.race([judge(argv, parts, controller.signal), late]))
  } finally {
    clearTimeout(timer)
    controller.abort()
  }
}

/** What is wrong with the configuration is told later. */
function readTimeout(configPath: string): number {
  try {
    return readNodeConfig(configPath).timeoutMs ?? defaultTimeoutMs
  } catch {
    return defaultTimeoutMs
  }
}

async function judge(argv: readonly string[], parts: VerifierParts, signal: AbortSignal): Promise<Answer> {
  try {
    const call = readCall(argv)
    const image = readReference(call.name, call.digest)
    const node = await readNode(parts.configPath, parts.now())
    const subject = readDescriptor(call, await parts.readInput())
    const sourceOf = (repository: string): EvidenceSource => parts.sourceOf(node, repository, signal)
    return await judgeImage(node, { image, subject, sourceOf, now: parts.now() })
  } catch (error) {
    return refusal(error instanceof Error ? error.message : String(error))
  }
}

function refusal(reason: string): Answer {
  return { isAllowed: false, reason }
}

/** One line that fits into what containerd passes on. */
function shorten(answer: Answer): Answer {
  const line = Array.from(answer.reason, (character) => (isPlain(character) ? character : ' ')).join('')
  const bytes = Buffer.from(line)
  const cut =
    bytes.length <= maximumReasonBytes ? line : `${bytes.subarray(0, maximumReasonBytes).toString()}…`
  return { ...answer, reason: cut }
}

/** Control characters and line separators would break the line, or hide a part of it. */
function isPlain(character: string): boolean {
  const code = character.codePointAt(0) ?? 0
  return code >= 0x20 && (code < 0x7f || code > 0x9f) && code !== 0x2028 && code !== 0x2029
}
