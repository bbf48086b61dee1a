import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { ConditionQuestion, Evaluation, ProcessAnswer, ProcessQuestion } from './types.ts'

const maximumWaiting = 1_000
const heapMb = 128
/** A predicate of the largest size takes a moment to be read, so it has a second more. */
const charactersPerExtraMs = 4_096
/** A process that nobody asks for so long is ended. */
const maximumIdleMs = 60_000

interface Waiting {
  readonly question: ConditionQuestion
  readonly answer: (evaluation: Evaluation) => void
  /** It was asked before, of a process that ended. */
  isAskedAgain?: true
}

interface Current {
  readonly id: number
  readonly waiting: Waiting
  /** Set once the process works on it. */
  timer?: NodeJS.Timeout
}

interface Evaluating {
  readonly child: ChildProcess
  /** Digest of the predicate that it has. */
  holds?: string
  hasAnswered?: true
}

/**
 * One process that evaluates conditions in turn. It starts when it is needed, is ended when an expression takes too
 * long, and does not keep this process alive.
 */
export class ConditionEvaluator {
  readonly #limitMs: number
  readonly #waiting: Waiting[] = []
  #current: Current | undefined
  #process: Promise<Evaluating> | undefined
  #idle: NodeJS.Timeout | undefined
  #lastId = 0

  constructor(limitMs = 250) {
    this.#limitMs = limitMs
  }

  /** Never rejects: what goes wrong is the reason for which the condition could not be told. */
  evaluate(question: ConditionQuestion): Promise<Evaluation> {
    return new Promise((answer) => {
      if (this.#waiting.length >= maximumWaiting)
        return answer({ result: 'too many conditions wait to be evaluated' })
      this.#waiting.push({ question, answer })
      if (!this.#current) void this.#next()
    })
  }

  /** Ends the process. The next question starts another. */
  async close(): Promise<void> {
    clearTimeout(this.#idle)
    const started = this.#process
    this.#process = undefined
    const evaluating = await started?.catch(() => undefined)
    evaluating?.child.kill('SIGKILL')
  }

  async #next(): Promise<void> {
    const waiting = this.#waiting.shift()
    if (!waiting) return
    const current: Current = { id: ++this.#lastId, waiting }
    this.#current = current
    clearTimeout(this.#idle)
    try {
      const evaluating = await (this.#process ??= this.#start())
      keepWaitingFor(evaluating.child, true)
      const limitMs = this.#limitFor(waiting.question)
      current.timer = setTimeout(() => void this.#stop(current.id, limitMs), limitMs)
      evaluating.child.send(questionFor(evaluating, current), (error) => {
        if (error) this.#fail(current.id, error)
      })
    } catch (error) {
      this.#fail(current.id, error as Error)
    }
  }

  #limitFor({ variables }: ConditionQuestion): number {
    return this.#limitMs + Math.floor((variables?.predicate.json.length ?? 0) / charactersPerExtraMs)
  }

  #start(): Promise<Evaluating> {
    const child = fork(join(import.meta.dirname, 'condition-process.ts'), {
      // Nothing of the server's environment is an expression's business.
      env: {},
      execArgv: [`--max-old-space-size=${heapMb}`, '--disable-warning=ExperimentalWarning'],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    const { promise, resolve, reject } = Promise.withResolvers<Evaluating>()
    const evaluating: Evaluating = { child }
    // Its first message says that it has loaded everything: that is not on the clock of an expression.
    child.once('message', () => resolve(evaluating))
    child.on('message', (message) => {
      const { id, result } = message as ProcessAnswer
      if (id > 0) evaluating.hasAnswered = true
      this.#finish(id, { result })
    })
    const end = (why: string): void => {
      reject(new Error(why))
      if (this.#process !== promise) return
      this.#process = undefined
      if (this.#current?.timer) this.#outOfMemory(this.#current, evaluating)
    }
    child.once('error', ({ message }) => end(message))
    child.once('exit', (code, signal) => end(`its process ended (${signal ?? `exit code ${code}`})`))
    return promise
  }

  /** What an expression before left behind is not held against this one: it is asked again of a new process. */
  #outOfMemory({ id, waiting, timer }: Current, { hasAnswered }: Evaluating): void {
    if (!hasAnswered || waiting.isAskedAgain)
      return this.#finish(id, { result: 'it needs too much memory', hasEndedProcess: true })
    clearTimeout(timer)
    this.#waiting.unshift({ ...waiting, isAskedAgain: true })
    void this.#next()
  }

  async #stop(id: number, limitMs: number): Promise<void> {
    if (this.#current?.id !== id) return
    await this.close()
    this.#finish(id, { result: `it takes more than ${limitMs} ms; make it simpler`, hasEndedProcess: true })
  }

  #fail(id: number, { message }: Error): void {
    this.#finish(id, { result: `it could not be evaluated: ${message}` })
  }

  #finish(id: number, evaluation: Evaluation): void {
    if (this.#current?.id !== id) return
    const { waiting, timer } = this.#current
    clearTimeout(timer)
    this.#current = undefined
    waiting.answer(evaluation)
    if (this.#waiting.length > 0) void this.#next()
    else this.#rest()
  }

  #rest(): void {
    void this.#process?.then(
      ({ child }) => keepWaitingFor(child, false),
      () => {},
    )
    this.#idle = setTimeout(() => void this.close(), maximumIdleMs).unref()
  }
}

/** What is asked, with the predicate unless the process has it. */
function questionFor(evaluating: Evaluating, { id, waiting }: Current): ProcessQuestion {
  const { expression, variables } = waiting.question
  if (!variables) return { id, expression }
  const { json, digest } = variables.predicate
  const predicate = evaluating.holds === digest ? { digest } : { digest, json }
  evaluating.holds = digest
  return { id, expression, variables: { ...variables, predicate } }
}

/** This process waits for an answer, and not for a process that waits for questions. */
function keepWaitingFor(child: ChildProcess, isAsked: boolean): void {
  for (const handle of [child, child.channel]) {
    if (isAsked) handle?.ref()
    else handle?.unref()
  }
}
