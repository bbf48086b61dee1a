import { randomUUID } from 'node:crypto'
import type { Database } from '../database/index.ts'
import type { Clock } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import { enqueueJob } from './enqueue-job.ts'

/** A job that a handler is given. `signal` ends when the runner stops or the lease was lost. */
export interface RunningJob {
  readonly kind: string
  readonly dedupeKey: string
  readonly payload: unknown
  /** 1 for the first try. */
  readonly attempt: number
  readonly isLastAttempt: boolean
  readonly signal: AbortSignal
}

/** Does a job. It may run twice: after a crash, or when a lease ran out. */
export type JobHandler = (job: RunningJob) => Promise<void>

export interface JobSchedule {
  readonly kind: string
  readonly everyMs: number
}

export interface JobRunnerParts {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly handlers: Readonly<Record<string, JobHandler>>
  /** Jobs that are done again and again. */
  readonly schedules?: readonly JobSchedule[]
  /** Jobs at the same time. */
  readonly concurrency: number
  readonly leaseMs?: number
  readonly maximumAttempts?: number
  readonly pollMs?: number
}

const keepFinishedMs = 7 * 24 * 3_600_000

/**
 * Takes jobs from the table and does them. A job is leased, the lease renewed while it runs; a process that
 * dies leaves a lease that runs out, and the job is done again. Failures are retried with growing pauses.
 */
export class JobRunner {
  readonly #parts: Required<JobRunnerParts>
  readonly #running = new Set<Promise<void>>()
  readonly #stopping = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #taking = false
  #again = false

  constructor(parts: JobRunnerParts) {
    this.#parts = { schedules: [], leaseMs: 60_000, maximumAttempts: 5, pollMs: 1_000, ...parts }
  }

  start(): void {
    this.#timer = setInterval(() => this.wake(), this.#parts.pollMs).unref()
    this.wake()
  }

  /** Looks for work now; called after work was committed. */
  wake(): void {
    this.#again = true
    if (!this.#taking && !this.#stopping.signal.aborted) void this.#take()
  }

  /** Takes no more jobs and waits for those that run; they are told through their signal. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#stopping.abort()
    await Promise.allSettled(this.#running)
  }

  /** Resolves when nothing waits that could run now, and nothing runs. For tests and the end of a command. */
  async idle(): Promise<void> {
    for (;;) {
      await Promise.allSettled(this.#running)
      const due = await this.#parts.database
        .selectFrom('job')
        .select('id')
        .where((expression) =>
          expression.or([
            expression('state', '=', 'running'),
            expression.and([
              expression('state', '=', 'waiting'),
              expression('run_after', '<=', this.#parts.clock.now()),
            ]),
          ]),
        )
        .executeTakeFirst()
      if (!due && this.#running.size === 0) return
      this.wake()
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async #take(): Promise<void> {
    this.#taking = true
    try {
      while (this.#again && !this.#stopping.signal.aborted) {
        this.#again = false
        await this.#enqueueScheduled()
        await this.#expireLeases()
        while (this.#running.size < this.#parts.concurrency) {
          const job = await this.#lease()
          if (!job) break
          const done = this.#run(job).finally(() => {
            this.#running.delete(done)
            this.wake()
          })
          this.#running.add(done)
        }
      }
    } catch (error) {
      this.#parts.log.error({ err: error }, 'jobs could not be taken')
    } finally {
      this.#taking = false
    }
  }

  async #enqueueScheduled(): Promise<void> {
    const { database, clock, schedules } = this.#parts
    const now = clock.now()
    for (const { kind, everyMs } of schedules) {
      const latest = await database
        .selectFrom('job')
        .select('created_at')
        .where('kind', '=', kind)
        .where('dedupe_key', '=', 'scheduled')
        .orderBy('created_at', 'desc')
        .limit(1)
        .executeTakeFirst()
      if (latest && latest.created_at + everyMs > now) continue
      await enqueueJob(database, {
        kind,
        dedupeKey: 'scheduled',
        now,
        runAfter: latest ? now : now + everyMs,
      })
    }
    await database
      .deleteFrom('job')
      .where('state', 'in', ['done', 'failed'])
      .where('finished_at', '<', now - keepFinishedMs)
      .execute()
  }

  async #expireLeases(): Promise<void> {
    const { database, clock, maximumAttempts } = this.#parts
    const lost = await database
      .selectFrom('job')
      .select(['id', 'kind', 'dedupe_key', 'payload', 'attempts', 'lease_token'])
      .where('state', '=', 'running')
      .where('leased_until', '<', clock.now())
      .limit(100)
      .execute()
    for (const job of lost) {
      await this.#finish(job, job.attempts >= maximumAttempts, 'the process that did it went away')
    }
  }

  async #lease(): Promise<LeasedJob | undefined> {
    const { database, clock, leaseMs, handlers } = this.#parts
    return database.transaction().execute(async (transaction) => {
      const now = clock.now()
      const job = await transaction
        .selectFrom('job')
        .selectAll()
        .where('state', '=', 'waiting')
        .where('run_after', '<=', now)
        .where('kind', 'in', Object.keys(handlers))
        .orderBy('run_after')
        .limit(1)
        .executeTakeFirst()
      if (!job) return undefined
      const lease_token = randomUUID()
      const attempts = job.attempts + 1
      await transaction
        .updateTable('job')
        .set({ state: 'running', leased_until: now + leaseMs, lease_token, attempts })
        .where('id', '=', job.id)
        .execute()
      return { ...job, lease_token, attempts }
    })
  }

  async #run(job: LeasedJob): Promise<void> {
    const { handlers, log, maximumAttempts } = this.#parts
    const lost = new AbortController()
    const renewal = setInterval(() => void this.#renew(job, lost), this.#parts.leaseMs / 3)
    const isLastAttempt = job.attempts >= maximumAttempts
    try {
      await handlers[job.kind]?.({
        kind: job.kind,
        dedupeKey: job.dedupe_key,
        payload: JSON.parse(job.payload),
        attempt: job.attempts,
        isLastAttempt,
        signal: AbortSignal.any([lost.signal, this.#stopping.signal]),
      })
      await this.#finish(job, true, null)
    } catch (error) {
      log.warn({ err: error, job: job.kind, key: job.dedupe_key, attempt: job.attempts }, 'a job failed')
      await this.#finish(job, isLastAttempt, String((error as Error).message ?? error)).catch(
        (failure: unknown) => log.error({ err: failure }, 'a failed job could not be written down'),
      )
    } finally {
      clearInterval(renewal)
    }
  }

  async #renew(job: LeasedJob, lost: AbortController): Promise<void> {
    const { database, clock, leaseMs, log } = this.#parts
    try {
      const renewed = await database
        .updateTable('job')
        .set({ leased_until: clock.now() + leaseMs })
        .where('id', '=', job.id)
        .where('lease_token', '=', job.lease_token)
        .executeTakeFirst()
      if (renewed.numUpdatedRows === 0n) lost.abort(new Error('the lease was lost'))
    } catch (error) {
      log.warn({ err: error }, 'a lease could not be renewed')
    }
  }

  /** Ends a job, or puts it back to be tried again; nothing happens when somebody else has the lease now. */
  async #finish(job: LeasedJob, isOver: boolean, error: string | null): Promise<void> {
    const { database, clock } = this.#parts
    const now = clock.now()
    await database.transaction().execute(async (transaction) => {
      const mine = transaction
        .updateTable('job')
        .where('id', '=', job.id)
        .where('state', '=', 'running')
        .where('lease_token', '=', job.lease_token)
      const twin = await transaction
        .selectFrom('job')
        .select('id')
        .where('kind', '=', job.kind)
        .where('dedupe_key', '=', job.dedupe_key)
        .where('state', '=', 'waiting')
        .executeTakeFirst()
      const ended = { leased_until: null, lease_token: null, error }
      // A twin that waits already does the same work, so this one need not be tried again.
      if (isOver || twin) {
        const state = error === null ? ('done' as const) : ('failed' as const)
        await mine.set({ ...ended, state, finished_at: now }).execute()
      } else {
        const pauseMs = Math.min(60_000, 500 * 2 ** job.attempts)
        await mine.set({ ...ended, state: 'waiting', run_after: now + pauseMs }).execute()
      }
    })
  }
}

interface LeasedJob {
  readonly id: string
  readonly kind: string
  readonly dedupe_key: string
  readonly payload: string
  readonly attempts: number
  readonly lease_token: string | null
}
