import type { FileContent } from '../types.ts'
import type { Sign } from './table.ts'

const stepBytes = 1024 * 1024
/** Text before and after an anchor that a pattern is shown. */
const aroundBytes = 160
/** An anchor that is everywhere tells nothing. */
const maximumHits = 20_000

/**
 * The version at a sign: its anchor is sought for in the whole file, its pattern applied only to the text around it,
 * and has to match the anchor or a part of it. Undefined where there is none.
 */
export function findVersion(file: FileContent, { anchor, pattern }: Sign): string | undefined {
  const sought = Buffer.from(anchor, 'latin1')
  const everywhere = new RegExp(pattern, 'g')
  let hits = 0
  for (let at = 0; at < file.sizeBytes; at += stepBytes) {
    const from = Math.max(0, at - aroundBytes)
    const end = at - from + stepBytes
    const window = file.read(from, end + 2 * aroundBytes)
    for (let hit = window.indexOf(sought, at - from); hit >= 0; hit = window.indexOf(sought, hit + 1)) {
      if (hit >= end) break
      if (++hits > maximumHits) return undefined
      const start = Math.max(0, hit - aroundBytes)
      const text = window.toString('latin1', start, hit + sought.length + aroundBytes)
      const version = matchAt(text, everywhere, hit - start, sought.length)
      if (version !== undefined) return version
    }
  }
  return undefined
}

function matchAt(text: string, pattern: RegExp, at: number, length: number): string | undefined {
  for (const match of text.matchAll(pattern)) {
    if (match.index < at + length && match.index + match[0].length > at) return match[1]
  }
  return undefined
}
