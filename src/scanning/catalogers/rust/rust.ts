import { inflateSync } from 'node:zlib'
import { readExactly } from '../executables/fields.ts'
import { findExecutables, isExecutable } from '../executables/read-executables.ts'
import { MalformedExecutable, type Executable, type Section } from '../executables/types.ts'
import { withoutRepeats } from '../name-package.ts'
import type { Cataloger, FileContent, FileFacts } from '../types.ts'
import { listCrates, maximumListBytes } from './list-crates.ts'

/** `cargo auditable`'s name for the section in all formats. */
const sectionName = '.dep-v0'

/**
 * Rust programs that were built with `cargo auditable`, which puts the list of crates into a section of its own. Other
 * Rust programs do not tell what they were built from, and cannot be told from programs in other languages for sure.
 */
export const rust: Cataloger = {
  name: 'rust',
  maximumBytes: 2 * 1024 ** 3,
  wants: (_path, head) => isExecutable(head),
  read(_path, file) {
    const lists = findExecutables(file).flatMap(findLists)
    if (lists.length === 0) return {}
    const facts = lists.map((section) => readList(file, section))
    const packages = withoutRepeats(facts.flatMap((one) => one.packages ?? []))
    const unknown = [...new Set(facts.flatMap((one) => one.unknown ?? []))].join('; ')
    return { packages, ...(unknown === '' ? {} : { unknown }) }
  },
}

function findLists({ sections }: Executable): readonly Section[] {
  return sections.filter(({ name, sizeBytes }) => name === sectionName && sizeBytes > 0).slice(0, 1)
}

function readList(file: FileContent, { offset, sizeBytes }: Section): FileFacts {
  if (sizeBytes > maximumListBytes) return { unknown: 'its list of crates is too long' }
  try {
    return readCompressedList(readExactly(file, offset, sizeBytes))
  } catch (error) {
    if (!(error instanceof MalformedExecutable)) throw error
    return { unknown: error.message }
  }
}

/** The list as the section has it, compressed with zlib (cargo-auditable's PARSING.md). */
export function readCompressedList(bytes: Buffer): FileFacts {
  let text: string
  try {
    text = inflateSync(bytes, { maxOutputLength: maximumListBytes }).toString('utf8')
  } catch {
    return { unknown: 'its list of crates cannot be unpacked' }
  }
  const packages = listCrates(text)
  return packages === undefined ? { unknown: 'its list of crates is not one' } : { packages }
}
