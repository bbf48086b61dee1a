import { errno, Refusal } from './resolve-inside.mjs'

/**
 * A part of the module's memory.
 * @typedef {{ readonly at: number, readonly size: number }} Stretch
 */

/**
 * Calls with texts that lie in the module's memory for as long as the call takes, in a place where no answer is
 * written: Node's own reads them nowhere else. Nothing else runs in the meantime.
 * @param {() => ArrayBufferLike} memory
 * @param {readonly string[]} texts
 * @param {readonly Stretch[]} answers
 * @param {(...places: number[]) => number} call given where each text is and how many bytes it has
 */
export function lendTexts(memory, texts, answers, call) {
  const bytes = Buffer.from(texts.map((text) => `${text}\0`).join(''))
  const place = findPlace(bytes.length, memory().byteLength, answers)
  const kept = new Uint8Array(memory()).slice(place, place + bytes.length)
  new Uint8Array(memory()).set(bytes, place)
  let at = place
  const values = texts.flatMap((text) => {
    const size = Buffer.byteLength(text)
    at += size + 1
    return [at - size - 1, size]
  })
  try {
    return call(...values)
  } finally {
    new Uint8Array(memory()).set(kept, place)
  }
}

/** @param {number} size @param {number} end @param {readonly Stretch[]} taken */
function findPlace(size, end, taken) {
  for (let at = 0; at + size <= end; at += size) {
    if (taken.every((one) => at + size <= one.at >>> 0 || at >= (one.at >>> 0) + one.size)) return at
  }
  throw new Refusal(errno.fault)
}
