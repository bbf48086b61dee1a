/** What a shim is told, in a file. */
export interface ShimJob {
  readonly program: string
  readonly arguments: readonly string[]
  readonly workingFolder: string
  readonly environment: Readonly<Record<string, string>>
  /** Written when the container runs, by the runtime, or by the shim where the program itself is the container. */
  readonly pidFile: string
  readonly isDirect?: boolean | undefined
  /** Where the runtime writes what went wrong. */
  readonly runtimeLog?: string | undefined
  readonly logPath: string | undefined
  readonly stdin: boolean
  /** Its input ends when the first client that is attached ends. */
  readonly stdinOnce: boolean
  readonly tty: boolean
  /** It is killed when it runs longer. */
  readonly timeoutMs?: number | undefined
  readonly socket: string
  /** Where it writes, before anything else, which process it is. */
  readonly shimFile: string
  readonly exitFile: string
}

/** What a shim says on its standard output, one line of JSON. */
export type ShimStart = { readonly pid: number } | { readonly failed: string }

/** What is left of a container when it has ended. */
export interface ExitRecord {
  readonly exitCode: number
  /** Milliseconds since the epoch. */
  readonly finishedAt: number
  /** It never ran. */
  readonly failed?: string
  readonly reason?: string
}
