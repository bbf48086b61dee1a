import { fork, type ChildProcess } from 'node:child_process'
import type { Judge, Judgement, Question } from './types.ts'

const program = new URL('verifier-process.ts', import.meta.url)

export interface VerifierOptions {
  /** `node.json`; read anew for every question. */
  readonly configPath: string
  /** The process ends when nothing was asked for so long. */
  readonly idleMs?: number
  /** What has not answered by then is refused, and the process is replaced. */
  readonly timeoutMs?: number
}

/** A judge in a process of its own that is there while it is needed, and is replaced when it fails. */
export function openVerifier(options: VerifierOptions): Judge {
  const verifier = new Verifier(options)
  return {
    judge: (question) => verifier.ask({ question }, question.reference),
    keepTrust: (bundle) => verifier.ask({ trust: bundle.toString('base64') }, 'the trust'),
    warm: () => verifier.makeReady(),
    close: async () => verifier.stop(),
  }
}

class Verifier {
  readonly #options: Required<VerifierOptions>
  readonly #waiting = new Map<number, (judgement: Judgement) => void>()
  #child: ChildProcess | undefined
  #idle: NodeJS.Timeout | undefined
  #last = 0

  constructor(options: VerifierOptions) {
    this.#options = { idleMs: 120_000, timeoutMs: 30_000, ...options }
  }

  ask(what: { readonly question: Question } | { readonly trust: string }, about: string): Promise<Judgement> {
    const child = this.#running()
    const id = ++this.#last
    const { configPath, timeoutMs } = this.#options
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.stop()
        settle(unknown(about, `it was not judged within ${timeoutMs} ms`))
      }, timeoutMs)
      const settle = (judgement: Judgement): void => {
        clearTimeout(timer)
        this.#waiting.delete(id)
        this.#rest()
        resolve(judgement)
      }
      this.#waiting.set(id, settle)
      child.send({ id, configPath, ...what }, (error) => {
        if (error) settle(unknown(about, `the verifier cannot be asked: ${error.message}`))
      })
    })
  }

  /** It ends again by itself when nothing is asked after all. */
  makeReady(): void {
    this.#running()
    this.#rest()
  }

  #running(): ChildProcess {
    clearTimeout(this.#idle)
    this.#child ??= this.#start()
    return this.#child
  }

  stop(): void {
    clearTimeout(this.#idle)
    this.#child?.kill('SIGKILL')
    this.#child = undefined
  }

  #start(): ChildProcess {
    const child = fork(program, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    child.on('message', ({ id, judgement }: { id: number; judgement: Judgement }) =>
      this.#waiting.get(id)?.(judgement),
    )
    const gone = (why: string) => () => {
      if (this.#child === child) this.#child = undefined
      for (const settle of this.#waiting.values()) settle(failed(why))
    }
    child.once('error', (error) => gone(`the verifier does not start: ${error.message}`)())
    child.once('exit', (code, signal) => gone(`the verifier ended with ${signal ?? code}`)())
    // It keeps nobody alive who has nothing else to do.
    child.unref()
    child.channel?.unref()
    return child
  }

  #rest(): void {
    if (this.#waiting.size > 0) return
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => this.stop(), this.#options.idleMs).unref()
  }
}

function failed(reason: string): Judgement {
  return { isAllowed: false, isUnknown: true, name: '', reason }
}

function unknown(about: string, reason: string): Judgement {
  return { ...failed(reason), name: about }
}
