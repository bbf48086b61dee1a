import { Worker } from 'node:worker_threads'
import type { ConditionResult } from './types.ts'
import type { WorkerAnswer, WorkerRequest } from './worker.ts'

const maximumWaiting = 10_000
const maximumHeapMb = 128

interface Waiting {
  readonly request: Omit<WorkerRequest, 'id'>
  readonly answer: (result: ConditionResult) => void
}

/**
 * One thread that evaluates conditions in turn. It starts when it is needed, is ended when an expression takes too
 * long, and does not keep the process alive.
 */
export class ConditionEvaluator {
  readonly #limitMs: number
  readonly #waiting: Waiting[] = []
  #current: { readonly id: number; readonly waiting: Waiting; readonly timer: NodeJS.Timeout } | undefined
  #worker: Promise<Worker> | undefined
  #lastId = 0

  constructor(limitMs = 250) {
    this.#limitMs = limitMs
  }

  /** Never rejects: what goes wrong is the reason for which the condition could not be told. */
  evaluate(request: Omit<WorkerRequest, 'id'>): Promise<ConditionResult> {
    return new Promise((answer) => {
      if (this.#waiting.length >= maximumWaiting) return answer('too many conditions wait to be evaluated')
      this.#waiting.push({ request, answer })
      if (!this.#current) void this.#next()
    })
  }

  /** Ends the thread. The next request starts another. */
  async close(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    await (await worker)?.terminate()
  }

  async #next(): Promise<void> {
    const waiting = this.#waiting.shift()
    if (!waiting) return
    const id = ++this.#lastId
    const stopped = setTimeout(() => {}, 0)
    this.#current = { id, waiting, timer: stopped }
    try {
      this.#worker ??= this.#start()
      const worker = await this.#worker
      // A process waits for an answer, and not for a thread that waits for questions.
      worker.ref()
      const timer = setTimeout(() => void this.#stop(id), this.#limitMs)
      this.#current = { id, waiting, timer }
      worker.postMessage({ ...waiting.request, id } satisfies WorkerRequest)
    } catch (error) {
      this.#worker = undefined
      this.#finish(id, `it could not be evaluated: ${(error as Error).message}`)
    }
  }

  #start(): Promise<Worker> {
    const worker = new Worker(new URL('worker.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: maximumHeapMb, stackSizeMb: 4 },
      // Nothing of the server's environment is an expression's business.
      env: {},
    })
    worker.on('message', ({ id, result }: WorkerAnswer) => this.#finish(id, result))
    return new Promise((resolve, reject) => {
      // Its first message says that it has loaded everything: that is not on the clock of an expression.
      worker.once('message', () => resolve(worker))
      worker.on('error', (error) => {
        this.#worker = undefined
        reject(error)
        // Out of memory, above all.
        if (this.#current) this.#finish(this.#current.id, `its evaluation failed: ${error.message}`)
      })
    })
  }

  async #stop(id: number): Promise<void> {
    if (this.#current?.id !== id) return
    await this.close()
    this.#finish(id, `it takes more than ${this.#limitMs} ms; make it simpler`)
  }

  #finish(id: number, result: ConditionResult): void {
    if (this.#current?.id !== id) return
    const { waiting, timer } = this.#current
    clearTimeout(timer)
    this.#current = undefined
    waiting.answer(result)
    if (this.#waiting.length > 0) void this.#next()
    else void this.#worker?.then((worker) => worker.unref())
  }
}
