import type { Readable, Writable } from 'node:stream'
import { failureStatus, successStatus } from './exit-status.ts'
import type { StreamingRequest } from './one-time-requests.ts'
import type { ClientStreams, StreamingTarget, TerminalSize } from './types.ts'

/** The streams of a command as a protocol brings them. */
export interface CommandChannels {
  readonly stdin: Readable | undefined
  readonly stdout: Writable | undefined
  readonly stderr: Writable | undefined
  readonly resize: Readable | undefined
  readonly error: Writable
  readonly signal: AbortSignal
}

const maximumSizeBytes = 4096

/** Runs or attaches to what was asked for, and tells on the error stream how it ended. Never throws. */
export async function serveCommand(
  target: StreamingTarget,
  { kind, request }: Exclude<StreamingRequest, { kind: 'portforward' }>,
  channels: CommandChannels,
): Promise<void> {
  const streams: ClientStreams = {
    stdin: request.stdin ? channels.stdin : undefined,
    stdout: request.stdout ? channels.stdout : undefined,
    stderr: request.stderr && !request.tty ? channels.stderr : undefined,
    onResize: (listener) => readSizes(channels.resize, listener),
    signal: channels.signal,
  }
  let outcome: string
  try {
    if (kind === 'exec') outcome = successStatus(await target.exec(request, streams))
    else {
      await target.attach(request, streams)
      outcome = successStatus(0)
    }
  } catch (error) {
    outcome = failureStatus((error as Error).message)
  }
  for (const stream of [channels.stdout, channels.stderr]) stream?.end()
  await new Promise<void>((resolve) => channels.error.end(outcome, () => resolve()))
}

/** Sizes come as JSON, one behind the other, in pieces of any length. */
function readSizes(resize: Readable | undefined, listener: (size: TerminalSize) => void): void {
  let text = ''
  resize?.on('data', (chunk: Buffer) => {
    text = `${text}${chunk.toString()}`.slice(-maximumSizeBytes)
    for (let end = text.indexOf('}'); end >= 0; end = text.indexOf('}')) {
      const one = text.slice(0, end + 1)
      text = text.slice(end + 1)
      const size = parseSize(one)
      if (size) listener(size)
    }
  })
}

function parseSize(text: string): TerminalSize | undefined {
  try {
    const { Width, Height } = JSON.parse(text) as { Width?: unknown; Height?: unknown }
    const isSize = (value: unknown): value is number =>
      Number.isInteger(value) && (value as number) > 0 && (value as number) < 65_536
    return isSize(Width) && isSize(Height) ? { columns: Width, rows: Height } : undefined
  } catch {
    return undefined
  }
}
