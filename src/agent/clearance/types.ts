import type { Digest } from '../../kernel/digest.ts'
import type { RunningDemands } from '../../runtime/offline.ts'
import type { SignIn } from '../cri/sign-in-of.ts'

export type { RunningDemands, SignIn }

/** What was decided of an image, by what the node trusts. */
export interface Judgement {
  readonly isAllowed: boolean
  /** It could not be told: the registry or its signatures were out of reach. Never with `isAllowed`. */
  readonly isUnknown?: boolean
  /** For people, in one line. */
  readonly reason: string
  /** `host/repository`, as images are named on nodes. */
  readonly name: string
  /** Of the manifest or index that the name led to; undefined when it led nowhere. */
  readonly digest?: Digest
  /** What is asked of nodes that run it. */
  readonly running?: RunningDemands
  /** When the trust by which it was judged was issued, and until when it holds; milliseconds since the epoch. */
  readonly trustIssuedAt?: number
  readonly expiresAt?: number
}

export interface Question {
  /** `host/repository:tag` or `host/repository@digest`, complete. */
  readonly reference: string
  readonly signIn?: SignIn | undefined
  /** Only the registry is asked whether it still gives the image out; signatures are not verified again. */
  readonly isRecheck?: boolean
}

/** Answers questions about images. Never throws: what goes wrong is a judgement that says what. */
export interface Judge {
  readonly judge: (question: Question) => Promise<Judgement>
  /** Puts a new trust in the place of the one that is kept, when it is one to be believed. */
  readonly keepTrust: (bundle: Buffer) => Promise<Judgement>
  /** A pod is about to come: what judging needs may be made ready. */
  readonly warm: () => void
  readonly close: () => Promise<void>
}

/** An image that may run on this node. */
export interface Cleared {
  /** `host/repository`. */
  readonly name: string
  readonly digest: Digest
  /** Why, in one line. */
  readonly reason: string
  /** References with a tag that were cleared as this digest. */
  readonly tags: readonly string[]
  /** Image ids under which runtimes of this node have it. */
  readonly imageIds: readonly string[]
  readonly running?: RunningDemands | undefined
  readonly clearedAt: number
  /** From then on it has to be cleared again. */
  readonly expiresAt: number
  /** When the trust by which it was cleared was issued. */
  readonly trustIssuedAt: number
  /** No runtime has it any more. Kept while containers of it run, so that they are still known for what they are. */
  readonly isRemoved?: boolean | undefined
  /** It was refused, and somebody answers for running it all the same. */
  readonly breakGlass?: Permit | undefined
}

/** Leave to run what is refused, given on the node by somebody who answers for it. */
export interface Permit {
  readonly digest: Digest
  readonly reason: string
  /** The account that gave it. */
  readonly by: string
  readonly from: number
  readonly until: number
}
