import type { RepositoryName } from '../kernel/reference.ts'

/**
 * What a role allows. `admin` covers every other action and the settings of what it is given for. `sign` is to
 * attach signatures and attestations to what is there; `push` covers it.
 */
export const actions = ['pull', 'push', 'sign', 'delete', 'promote', 'approve', 'admin'] as const
export type Action = (typeof actions)[number]

/**
 * Who asks. `subject` is stable and never reused (`user:<id>`, `robot:<id>`, `anonymous`, `system:<job>`);
 * `name` is what people read.
 */
export interface Principal {
  readonly kind: 'anonymous' | 'user' | 'robot' | 'system'
  readonly subject: string
  readonly name: string
  readonly administrator: boolean
  /** A registry token that was made with a credential that nothing narrows; see `isEntitled`. */
  readonly isFull?: boolean
  /** What the credential in use is narrowed to; undefined: all that the account may. */
  readonly limits?: readonly CredentialLimit[]
}

/** One scope of a credential: rights are what the account may *and* some limit allows. */
export interface CredentialLimit {
  /** A repository name, or undefined for any. */
  readonly repository?: string
  /** The immutable id of the project that the name meant when the credential was issued. */
  readonly projectId?: string
  readonly actions: readonly Action[]
  /** What the credential behind a registry token could have asked for as well; see `isEntitled`. */
  readonly entitled?: readonly Action[]
}

/** One request's caller, as the edge knows it. */
export interface Caller {
  readonly principal: Principal
  /** The client's IP address, after trusted proxies. */
  readonly sourceAddress: string
}

/** The answer of `authorize`, with the rule that decided. */
export interface Decision {
  readonly allowed: boolean
  /** For people and the log: `administrator`, `role binding 3f… (push on dev/**)`, `network rule 2: …`. */
  readonly rule: string
}

/** Where something is to be done: in a repository, in a whole project, or (undefined) in the installation. */
export type Place = RepositoryName | WholeProject | undefined

export interface WholeProject {
  readonly project: string
}

/**
 * The one decision function: may this principal do this, here, from this address? Only `admin` is asked
 * about more than one repository.
 */
export type Authorize = (
  principal: Principal,
  action: Action,
  place: Place,
  sourceAddress: string,
) => Promise<Decision>
