import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

/** A line of a log in the form of the CRI. */
export interface LogLine {
  readonly time: string
  readonly stream: 'stdout' | 'stderr'
  /** A piece of a line that goes on. */
  readonly isPartial: boolean
  /** As it was printed, without the end of the line. */
  readonly content: Buffer
}

const pollMs = 100
const chunkBytes = 64 * 1024
const lineEnd = 0x0a

/** CRI logging (KEP-1959): the time, the stream, the tags, and all the rest. Undefined for what is none. */
export function parseLogLine(bytes: Buffer): LogLine | undefined {
  const line = bytes.toString('latin1')
  const [, time = '', stream, tags = '', text = ''] = /^(\S+) (stdout|stderr) (\S+) ?(.*)$/s.exec(line) ?? []
  if (stream === undefined) return undefined
  return {
    time,
    stream: stream as 'stdout' | 'stderr',
    isPartial: tags.split(':')[0] === 'P',
    content: bytes.subarray(bytes.length - text.length),
  }
}

/**
 * The lines of a log, those that come too until `isOver` says that no more will. A file that was moved away and made
 * anew is read on.
 */
export async function* followLog(
  path: string,
  isOver: () => boolean | Promise<boolean>,
): AsyncIterable<LogLine> {
  let file: number | undefined
  let rest = Buffer.of()
  const buffer = Buffer.alloc(chunkBytes)
  try {
    for (;;) {
      const wasOver = await isOver()
      file ??= existsSync(path) ? openSync(path, 'r') : undefined
      for (
        let size = file === undefined ? 0 : readSync(file, buffer);
        size > 0;
        size = readSync(file as number, buffer)
      ) {
        rest = Buffer.concat([rest, buffer.subarray(0, size)])
        for (let end = rest.indexOf(lineEnd); end >= 0; end = rest.indexOf(lineEnd)) {
          const parsed = parseLogLine(rest.subarray(0, end))
          rest = rest.subarray(end + 1)
          if (parsed) yield parsed
        }
      }
      if (file !== undefined && isMoved(file, path)) {
        closeSync(file)
        file = undefined
        continue
      }
      if (wasOver) return
      await pause(pollMs)
    }
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

function isMoved(file: number, path: string): boolean {
  const now = statSync(path, { throwIfNoEntry: false })
  return now !== undefined && now.ino !== fstatSync(file).ino
}

/** Writes a line where it belongs. */
export function printLine({ time, stream, content, isPartial }: LogLine, hasTime = false): void {
  const output = stream === 'stdout' ? process.stdout : process.stderr
  const [before, after] = [hasTime ? `${time} ` : '', isPartial ? '' : '\n']
  output.write(Buffer.concat([Buffer.from(before), content, Buffer.from(after)]))
}
