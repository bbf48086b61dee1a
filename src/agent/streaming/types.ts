import type { Duplex, Readable, Writable } from 'node:stream'
import type { AttachRequest, ExecRequest, PortForwardRequest } from '../cri/cri-types.ts'

export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

/** The ends of a client's streams; those that it did not ask for are undefined. */
export interface ClientStreams {
  readonly stdin: Readable | undefined
  readonly stdout: Writable | undefined
  /** Undefined with a terminal, which has one output. */
  readonly stderr: Writable | undefined
  /** Called with every size that the client's terminal has, beginning with the last one that is known. */
  readonly onResize: (listener: (size: TerminalSize) => void) => void
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal
}

/** What streams lead to. */
export interface StreamingTarget {
  /** Runs the command and gives its exit code. */
  readonly exec: (request: ExecRequest, streams: ClientStreams) => Promise<number>
  /** Ends when the container or the client ends. */
  readonly attach: (request: AttachRequest, streams: ClientStreams) => Promise<void>
  /** Connects to a port inside the pod; ends when either side does. */
  readonly portForward: (request: PortForwardRequest, port: number, connection: Duplex) => Promise<void>
}

/** Serves what Exec, Attach and PortForward of the CRI answer with: a URL that is good once and for a short time. */
export interface StreamingServer {
  readonly execUrl: (request: ExecRequest) => string
  readonly attachUrl: (request: AttachRequest) => string
  readonly portForwardUrl: (request: PortForwardRequest) => string
  readonly close: () => Promise<void>
}
