import type { FileContent } from '../types.ts'

/** What Go puts before and after the list of modules, to find it in any program (Go's `cmd/go/internal/modload`). */
const start = Buffer.from('3077af0c9274080241e1c107e6d618e6', 'hex')
const end = Buffer.from('f932433186182072008242104116d8f2', 'hex')
const stepBytes = 1024 * 1024
const maximumTextBytes = 4 * 1024 * 1024

/**
 * The list of modules of a Go program in a format without sections, by the marks around it. Undefined where it is not
 * to be found, or is not in one piece.
 */
export function findModuleText(file: FileContent): string | undefined {
  const mark = Buffer.concat([start, Buffer.from('path\t')])
  for (let at = 0; at < file.sizeBytes; at += stepBytes) {
    const hit = file.read(at, stepBytes + mark.length - 1).indexOf(mark)
    if (hit < 0) continue
    const text = file.read(at + hit + start.length, maximumTextBytes)
    const length = text.indexOf(end)
    return length < 0 ? undefined : text.toString('utf8', 0, length)
  }
  return undefined
}
