import type { Clock } from '../../kernel/clock.ts'
import type { Digest } from '../../kernel/digest.ts'
import { CriFailure } from '../cri/failures.ts'
import type { ClearanceStore } from './clearance-store.ts'
import type { NodeJournal } from './node-journal.ts'
import { parseImageName } from './parse-image-name.ts'
import { findPermit } from './permits.ts'
import type { Cleared, Judge, Judgement, Permit, SignIn } from './types.ts'

const hourMs = 3_600_000

export interface ClearanceParts {
  readonly judge: Judge
  readonly store: ClearanceStore
  readonly journal: NodeJournal
  readonly clock: Clock
  /** Where permits are that were given on this node. */
  readonly permitFolder: string
}

/** An image that the server says is no longer cleared. */
export interface Withdrawn {
  readonly digest: string
  /** Server's repository. */
  readonly repository: string
  readonly reasons: readonly string[]
  /** What the policy wants of containers that run it. */
  readonly action: 'report' | 'evict'
}

/** Decides which images may be pulled and run on this node, and remembers it. Throws `CriFailure` for a no. */
export class Clearance {
  readonly store: ClearanceStore
  readonly journal: NodeJournal
  readonly #parts: ClearanceParts
  #withdrawn: readonly Withdrawn[] = []

  constructor(parts: ClearanceParts) {
    this.#parts = parts
    this.store = parts.store
    this.journal = parts.journal
  }

  /** A pod is about to come. */
  warm(): void {
    this.#parts.judge.warm()
  }

  /**
   * Resolves a name to a digest and asks whether that may run here. When the registry is out of reach, what was
   * cleared before under the same name holds until its trust ends. Throws PERMISSION_DENIED or UNAVAILABLE.
   */
  async clear(text: string, signIn?: SignIn): Promise<Cleared> {
    const { reference, name, tag, digest } = parseImageName(text)
    const judgement = await this.#parts.judge.judge({ reference, signIn })
    if (judgement.isAllowed) return this.#accept(judgement, tag === undefined ? [] : [reference])
    const permit = this.#permitFor(judgement, digest)
    if (permit) return this.#acceptBy(permit, judgement, tag === undefined ? [] : [reference])
    const before = digest === undefined ? this.store.findTag(reference) : this.store.find(name, digest)
    if (judgement.isUnknown && before && this.#holds(before)) return before
    throw this.#refuse(reference, judgement)
  }

  /** Says whether what was cleared may still be started, and gives it as it is now. Throws PERMISSION_DENIED. */
  async recheck(cleared: Cleared): Promise<Cleared> {
    const reference = `${cleared.name}@${cleared.digest}`
    const { name, digest } = cleared
    const withdrawn = this.findWithdrawn({ repository: repositoryOf(name), digest })
    const { breakGlass } = cleared
    if (breakGlass && breakGlass.until > this.#now()) return cleared
    const judgement = await this.#parts.judge.judge({ reference, isRecheck: true })
    const isNewTrust = (judgement.trustIssuedAt ?? 0) > cleared.trustIssuedAt
    if (!withdrawn) {
      if (breakGlass || (judgement.isAllowed && (isNewTrust || !this.#holds(cleared))))
        return this.clear(reference)
      if (judgement.isAllowed || (judgement.isUnknown && this.#holds(cleared))) return cleared
    }
    const refused = withdrawn
      ? { ...judgement, reason: `the server has withdrawn it: ${withdrawn.reasons.join('; ')}` }
      : judgement
    const permit = this.#permitFor(refused, cleared.digest)
    if (permit) return this.#acceptBy(permit, refused, [])
    throw this.#refuse(reference, withdrawn ? { ...refused, isUnknown: false } : refused)
  }

  /** What the server says of the images that are here; all that it said before is forgotten. */
  withdraw(images: readonly Withdrawn[]): void {
    this.#withdrawn = images
  }

  findWithdrawn({ repository, digest }: Pick<Withdrawn, 'repository' | 'digest'>): Withdrawn | undefined {
    return this.#withdrawn.find((one) => one.digest === digest && one.repository === repository)
  }

  /** A runtime has it now under this id. */
  recordImage(cleared: Cleared, imageId: string): Cleared {
    // Tags may have moved while it was pulled.
    const now = this.store.find(cleared.name, cleared.digest) ?? cleared
    if (now.imageIds.includes(imageId)) return now
    return this.store.save({ ...now, imageIds: [...now.imageIds, imageId] })
  }

  recordRun(cleared: Cleared, detail: Readonly<Record<string, unknown>>): void {
    const { name, digest, breakGlass } = cleared
    this.journal.append(breakGlass ? 'break-glass' : 'run', this.#now(), {
      image: `${name}@${digest}`,
      ...(breakGlass ? { reason: breakGlass.reason, by: breakGlass.by } : {}),
      ...detail,
    })
  }

  /** Somebody answers for running it now. */
  isPermitted(cleared: Cleared): boolean {
    return this.#permitFor({ isAllowed: false, ...cleared }, undefined) !== undefined
  }

  /** What the server signed anew for this node. Throws FAILED_PRECONDITION when it is not to be believed. */
  async keepTrust(bundle: Buffer): Promise<void> {
    const { isAllowed, reason } = await this.#parts.judge.keepTrust(bundle)
    if (!isAllowed) throw new CriFailure('FAILED_PRECONDITION', reason)
  }

  async close(): Promise<void> {
    await this.#parts.judge.close()
  }

  #accept(judgement: Judgement, tags: readonly string[], breakGlass?: Permit): Cleared {
    const { name, reason, running, trustIssuedAt = 0, expiresAt = 0 } = judgement
    const digest = judgement.digest as Digest
    const before = this.store.find(name, digest)
    const now = this.#now()
    const cleared = this.store.save({
      name,
      digest,
      reason,
      tags: [...new Set([...(before?.tags ?? []), ...tags])],
      imageIds: before?.imageIds ?? [],
      clearedAt: now,
      expiresAt: breakGlass ? breakGlass.until : expiresAt,
      trustIssuedAt,
      ...(running ? { running } : {}),
      ...(breakGlass ? { breakGlass } : {}),
    })
    if (!before) this.journal.append('cleared', now, { image: `${name}@${digest}`, tags, reason })
    return cleared
  }

  #acceptBy(permit: Permit, judgement: Judgement, tags: readonly string[]): Cleared {
    const { name, reason } = judgement
    this.journal.append('break-glass', this.#now(), {
      image: `${name}@${permit.digest}`,
      reason: permit.reason,
      by: permit.by,
      until: permit.until,
      refusedBecause: reason,
    })
    return this.#accept({ ...judgement, digest: permit.digest }, tags, permit)
  }

  /** Only where the policy lets glass be broken, and for no longer than it says. */
  #permitFor({ digest, running }: Judgement, named: Digest | undefined): Permit | undefined {
    const subject = digest ?? named
    const hours = running?.breakGlassHours
    if (!subject || hours === undefined) return undefined
    const permit = findPermit(this.#parts.permitFolder, subject, this.#now())
    return permit && permit.until - permit.from <= hours * hourMs ? permit : undefined
  }

  #holds({ expiresAt }: Cleared): boolean {
    return expiresAt > this.#now()
  }

  #refuse(reference: string, { isUnknown, reason }: Judgement): CriFailure {
    this.journal.append('refused', this.#now(), { image: reference, reason })
    return isUnknown
      ? new CriFailure('UNAVAILABLE', `${reference} cannot be cleared now: ${reason}`)
      : new CriFailure('PERMISSION_DENIED', `${reference} is not cleared: ${reason}`)
  }

  #now(): number {
    return this.#parts.clock.now()
  }
}

/** As the server calls it: without the host. */
export function repositoryOf(name: string): string {
  return name.slice(name.indexOf('/') + 1)
}
