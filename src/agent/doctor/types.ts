/** One thing that was looked at on a node. */
export interface Check {
  /** `containerd`, `cri-o`, `containers`, `node`. */
  readonly area: string
  /** Stable, for scripts: `containerd.local-pull`. */
  readonly name: string
  readonly result: 'ok' | 'problem' | 'unknown'
  /** What was found. */
  readonly message: string
  /** What mends it, in one sentence; of anything but `ok`. */
  readonly remedy?: string
}

/** The machine as the doctor sees it. */
export interface Machine {
  /** Folder under which the node's files are; `/` for this machine. */
  readonly root: string
  /** User that has to own what decides; 0 on a real node. */
  readonly ownerId: number
  readonly now: number
  /** Runs a program of this machine and gives its output; undefined when there is none, or the root is another. */
  readonly run: (program: string, argv: readonly string[]) => Promise<string | undefined>
  /** Where `node.json` is, below the root. */
  readonly nodeConfigPath: string
}

/** Makes the checks of one area. */
export class Report {
  readonly checks: Check[] = []
  readonly #area: string

  constructor(area: string) {
    this.#area = area
  }

  ok(name: string, message: string): void {
    this.#add({ name, result: 'ok', message })
  }

  problem(name: string, message: string, remedy: string): void {
    this.#add({ name, result: 'problem', message, remedy })
  }

  unknown(name: string, message: string, remedy: string): void {
    this.#add({ name, result: 'unknown', message, remedy })
  }

  #add(check: Omit<Check, 'area'>): void {
    this.checks.push({ area: this.#area, ...check, name: `${this.#area}.${check.name}` })
  }
}
