import type { Readable, Writable } from 'node:stream'
import type { DatabaseTransaction } from '../database/index.ts'
import type { Action, Caller } from '../identity/index.ts'
import type { Digest } from '../kernel/digest.ts'
import type { RepositoryName, Tag } from '../kernel/reference.ts'

/** First and last byte, both included, counted from 0 (RFC 9110, section 14.1.2). */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/** Where bytes are, as the `blob` row names it. Every write makes a new one. */
export type Location = string

/** Finished content. A location is written once and never changes. */
export interface BlobStore {
  /** Streams the bytes, or part of them. The stream fails when there are none at the location. */
  open(location: Location, range?: ByteRange): Readable
  /** Writes the bytes, or part of them, to a sink that it neither ends nor destroys. Rejects when it closes. */
  copyTo(location: Location, sink: Writable, range?: ByteRange): Promise<void>
  /** Size in bytes, or undefined when nothing is there. */
  sizeOf(location: Location): Promise<number | undefined>
  /** A text that is another one when the bytes were changed from outside; undefined when nothing is there. */
  stampOf(location: Location): Promise<string | undefined>
  /** Removes the bytes. Nothing there is not an error. */
  remove(location: Location): Promise<void>
  /** Every location with the time it was written, in no order. */
  list(): AsyncIterable<StoredBytes>
}

export interface StoredBytes {
  readonly location: Location
  readonly modifiedAt: number
}

/** Content on its way in. The length of what is staged is the offset at which an upload goes on. */
export interface UploadStore {
  /** Bytes staged so far; undefined when the upload has no file. */
  stagedBytes(id: string): Promise<number | undefined>
  /** Begins an empty upload. */
  begin(id: string): Promise<void>
  /** Writes at the end. Gives the new length. What arrived before an error stays. */
  append(id: string, chunks: AsyncIterable<Uint8Array>): Promise<number>
  read(id: string): Readable
  /** True when the staged bytes are those at the location. */
  equals(id: string, location: Location): Promise<boolean>
  /** Makes the staged bytes durable under a new location of the digest. The upload is gone afterwards. */
  commit(id: string, digest: Digest): Promise<Location>
  /** Removes the upload's bytes. Nothing there is not an error. */
  discard(id: string): Promise<void>
  /** Every upload that has bytes, with the time of the last write. */
  listUploads(): AsyncIterable<{ readonly id: string; readonly modifiedAt: number }>
}

export interface RepositoryRef {
  readonly id: string
  readonly name: RepositoryName
}

/** What a manifest is, for those who judge: an `artifact` has nothing in it that a runtime runs. */
export type ManifestKind = 'index' | 'image' | 'artifact'

/** Asks identity whether the caller may; throws UNAUTHORIZED or DENIED when not. */
export type RequireAccess = (caller: Caller, action: Action, repository: RepositoryName) => Promise<void>
export type MayAccess = (caller: Caller, action: Action, repository: RepositoryName) => Promise<boolean>

/** Asks policy whether this content may leave the registry; throws DENIED when not. */
export type PullGate = (request: {
  readonly caller: Caller
  readonly repository: RepositoryRef
  readonly target: {
    readonly kind: 'manifest' | 'blob'
    readonly digest: Digest
    /** The tag by which a manifest was asked for. */
    readonly tag?: Tag
  }
}) => Promise<void>

export interface ManifestPushed {
  readonly repository: RepositoryRef
  readonly digest: Digest
  readonly kind: ManifestKind
  readonly subject: Digest | undefined
  readonly tags: readonly Tag[]
  readonly caller: Caller
}

export interface ContentDeleted {
  readonly repository: RepositoryRef
  readonly what: 'manifest' | 'tag' | 'blob'
  readonly name: string
  readonly caller: Caller
}

/** What other subjects do in the same transaction as a change of the registry. */
export interface RegistryEvents {
  manifestPushed(transaction: DatabaseTransaction, event: ManifestPushed): Promise<void>
  contentDeleted(transaction: DatabaseTransaction, event: ContentDeleted): Promise<void>
  /** Throws a Failure when the tag must not move to the digest (undefined: be deleted). */
  assertTagMutable(
    transaction: DatabaseTransaction,
    repository: RepositoryRef,
    tag: Tag,
    digest: Digest | undefined,
  ): Promise<void>
  /** Called after a transaction with new work was committed. */
  committed(): void
}
