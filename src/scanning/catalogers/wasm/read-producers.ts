import { MalformedWasm, readNumber, readText } from './read-sections.ts'

/** A tool that had a hand in a module. */
export interface Producer {
  /** `language`, `processed-by` or `sdk`. */
  readonly field: string
  readonly name: string
  readonly version: string
}

const maximumProducers = 1_000

/** The section `producers` (WebAssembly tool conventions, "Producers Section"). Throws MalformedWasm. */
export function readProducers(bytes: Buffer): Producer[] {
  const producers: Producer[] = []
  let { value: fields, next: at } = readNumber(bytes, 0)
  for (; fields > 0; fields--) {
    const field = readText(bytes, at)
    const count = readNumber(bytes, field.next)
    at = count.next
    for (let index = 0; index < count.value; index++) {
      const name = readText(bytes, at)
      const version = readText(bytes, name.next)
      at = version.next
      producers.push({ field: field.text, name: name.text, version: version.text })
      if (producers.length > maximumProducers) throw new MalformedWasm('it names too many producers')
    }
  }
  return producers
}
