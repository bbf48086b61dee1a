import type { SignaturePolicy, SignerNames } from '../policy/offline.ts'
import type { Signer } from '../signing/offline.ts'

/** Everything that a runtime has to know to verify the images of this registry by itself. */
export interface RuntimeTrust {
  /** `host[:port]`, as nodes name the registry. */
  readonly registry: string
  /** Nodes reach it without TLS. */
  readonly insecure: boolean
  /** The most specific first: the first whose pattern fits a repository holds for it. */
  readonly scopes: readonly RuntimeScope[]
  /** All of the organisation's, and the server's own key, which is the signer `server`. */
  readonly signers: readonly Signer[]
  /** Under which names signers know what is here. */
  readonly names: SignerNames
  /** Milliseconds since the epoch. */
  readonly issuedAt: number
  /** From then on nodes refuse to work with it. */
  readonly expiresAt: number
  readonly policyVersion: number
}

/** What holds for some repositories; at least as strict as the policy for every one of them. */
export interface RuntimeScope {
  /** A repository name, `prefix/**`, or `**`. */
  readonly repositories: string
  /** The namespace of the cluster to which it is limited: there it holds beside what holds everywhere. */
  readonly namespace?: string
  /** Undefined: the policy says nothing of signatures here. */
  readonly signatures: SignaturePolicy | undefined
  /** It is the bare name of a stage, and no repository has that name. */
  readonly isStageName?: boolean
  /** What nodes have to hold while they run it. */
  readonly running?: RunningDemands
}

/** What is asked of nodes that run images of a scope. */
export interface RunningDemands {
  /** The weakest runtime that may run them. */
  readonly isolation?: 'process' | 'wasm-sandbox' | 'user-space-kernel' | 'virtual-machine'
  /** What becomes of running containers whose image is no longer cleared; `report` when not given. */
  readonly quarantined?: 'report' | 'evict'
  /** For how long somebody on a node may run what is refused, with a reason and a record; never when not given. */
  readonly breakGlassHours?: number
}

export interface ExportOptions {
  /** What becomes of images from elsewhere than this registry. */
  readonly others: 'reject' | 'accept'
  /** What becomes of images for which the runtime cannot ask what the policy asks. */
  readonly unexpressible: 'reject' | 'skip'
  /** CRI-O: what a namespace may pull at all. */
  readonly namespaces?: readonly NamespaceLimit[]
  /** containerd: what goes on the node besides the trust. */
  readonly node?: NodeOptions
}

export interface NamespaceLimit {
  readonly name: string
  /** Repository names and `prefix/**`. */
  readonly repositories: readonly string[]
}

export interface NodeOptions {
  /** The signed trust, as the server gave it. */
  readonly bundle: string
  /** URL of the registry as the node reaches it. */
  readonly server: string
  /** Whose word the node takes: that of all signers, or only that of the server. */
  readonly signer: 'policy' | 'server'
  /** Our program on the node: a name that is looked up, or an absolute path. */
  readonly program: string
}

export interface ExportedFile {
  /** Below the root of the node, or of the folder that is applied to a cluster; no leading slash. */
  readonly path: string
  readonly content: string
  /** Permission bits; 0o644 when not given. */
  readonly mode?: number
}

export interface ExportResult {
  readonly files: readonly ExportedFile[]
  /** What the runtime does otherwise than the policy says, scope by scope, and what has to be done by hand. */
  readonly notes: readonly string[]
}

/** A runtime that can be told what to verify. */
export interface RuntimeExport {
  readonly name: string
  /** One line. */
  readonly help: string
  write(trust: RuntimeTrust, options: ExportOptions): ExportResult
}
