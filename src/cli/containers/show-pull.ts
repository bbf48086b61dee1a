import { isatty } from 'node:tty'
import { formatBytes } from '../print.ts'

interface Progress {
  readonly digest: string
  readonly doneBytes: number
  readonly totalBytes: number
  readonly state: string
}

const barWidth = 30
const redrawMs = 100

/**
 * Shows a pull on standard error: on a terminal a bar a layer, drawn over one another; elsewhere a line when a layer
 * is done.
 */
export class PullDisplay {
  readonly #isTerminal: boolean
  readonly #write: (text: string) => void
  readonly #layers = new Map<string, Progress>()
  #drawnLines = 0
  #drawnAt = 0

  constructor(isTerminal = isatty(2), write = (text: string): void => void process.stderr.write(text)) {
    this.#isTerminal = isTerminal
    this.#write = write
  }

  take(progress: Progress): void {
    const before = this.#layers.get(progress.digest)
    this.#layers.set(progress.digest, progress)
    const isEnd = progress.state === 'done' || progress.state === 'present'
    if (this.#isTerminal) {
      if (isEnd || performance.now() - this.#drawnAt >= redrawMs) this.#draw()
    } else if (isEnd && before?.state !== progress.state) {
      this.#write(`${lineOf(progress, false)}\n`)
    }
  }

  end(): void {
    if (this.#isTerminal && this.#layers.size > 0) this.#draw()
  }

  #draw(): void {
    const lines = [...this.#layers.values()].map((one) => lineOf(one, true))
    const up = this.#drawnLines > 0 ? `\u001b[${this.#drawnLines}A` : ''
    this.#write(`${up}${lines.map((line) => `\u001b[K${line}\n`).join('')}`)
    this.#drawnLines = lines.length
    this.#drawnAt = performance.now()
  }
}

/** At most 80 columns. */
export function lineOf({ digest, doneBytes, totalBytes, state }: Progress, hasBar: boolean): string {
  const name = digest.replace(/^sha256:/, '').slice(0, 12)
  const share = totalBytes > 0 ? Math.min(1, doneBytes / totalBytes) : 1
  const bar = hasBar ? ` [${'#'.repeat(Math.round(share * barWidth)).padEnd(barWidth)}]` : ''
  const words = state === 'present' ? 'is here' : state
  return `${name}${bar} ${formatBytes(doneBytes).padStart(9)} / ${formatBytes(totalBytes).padEnd(9)} ${words}`
}
