import { namePackage, withoutRepeats } from '../name-package.ts'
import { readCompressedList } from '../rust/rust.ts'
import type { Cataloger, FileFacts, FoundPackage } from '../types.ts'
import { readGoModule } from './read-go-module.ts'
import { readProducers, type Producer } from './read-producers.ts'
import { isWasm, MalformedWasm, readCustomSections, readNumber, readText } from './read-sections.ts'

const wanted = ['producers', 'name', 'component-name', 'version', '.dep-v0'] as const
type Sections = Partial<Record<(typeof wanted)[number], Buffer>>

/**
 * WebAssembly modules and components. What they are called, where they tell name and version; the tools that made
 * them, as packages of type `generic` at `producers` inside the file: a compiler puts its own library into what it
 * makes; and the crates of what was built with `cargo auditable`.
 */
export const wasm: Cataloger = {
  name: 'wasm',
  maximumBytes: 512 * 1024 * 1024,
  wants: (_path, head) => isWasm(head),
  read(_path, file) {
    const found: FileFacts[] = []
    const own: Sections = {}
    const producers: Producer[] = []
    try {
      for (const { name, content, depth } of readCustomSections(file, wanted)) {
        if (name === 'producers') producers.push(...readProducers(content))
        if (name === '.dep-v0') found.push(readCompressedList(content))
        if (depth === 0) own[name as (typeof wanted)[number]] ??= content
      }
      found.push({ packages: nameItself(own) })
    } catch (error) {
      if (!(error instanceof MalformedWasm)) throw error
      found.push({ unknown: `the WebAssembly is damaged: ${error.message}` })
    }
    found.push({ packages: producers.flatMap(toPackage) }, readGoModule(file, producers) ?? {})
    return join(found)
  },
}

function join(found: readonly FileFacts[]): FileFacts {
  const packages = withoutRepeats(found.flatMap((facts) => facts.packages ?? []))
  const unknown = [...new Set(found.flatMap((facts) => facts.unknown ?? []))].join('; ')
  return {
    ...(packages.length > 0 ? { packages } : {}),
    ...(unknown === '' ? {} : { unknown }),
  }
}

/** A language is none, and what Go's compiler brings is told apart. */
function toPackage({ field, name, version }: Producer): FoundPackage[] {
  if ((field !== 'processed-by' && field !== 'sdk') || name === 'Go cmd/compile') return []
  // `1.75.0 (82e1608df 2023-12-21)`: what is behind the version tells of the build.
  const number = /^v?(\d[\w.+-]{0,80})/.exec(version)?.[1]
  const found = namePackage('generic', name, number)
  return found ? [{ ...found, inside: 'producers' }] : []
}

/** The name that a module or a component gives itself, with the version that wasm-metadata's section tells. */
function nameItself(sections: Sections): FoundPackage[] {
  const version = sections.version?.toString('utf8')
  const names = sections['component-name'] ?? sections.name
  if (version === undefined || names === undefined) return []
  const found = namePackage('generic', readOwnName(names), version)
  return found ? [found] : []
}

/** Part 0 of a section of names is the name of the whole (Core Specification, "Name Section"). */
function readOwnName(bytes: Buffer): string | undefined {
  if (bytes[0] !== 0) return undefined
  return readText(bytes, readNumber(bytes, 1).next).text
}
