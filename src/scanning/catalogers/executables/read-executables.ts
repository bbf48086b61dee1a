import type { FileContent } from '../types.ts'
import { isElf, readElf } from './read-elf.ts'
import { isMachO, readMachO } from './read-mach-o.ts'
import { mayBePe, readPe } from './read-pe.ts'
import { MalformedExecutable, type Executable } from './types.ts'

/** Programs and libraries of Linux, Windows and macOS, by their first 64 bytes. */
export function isExecutable(head: Buffer): boolean {
  return isElf(head) || mayBePe(head) || isMachO(head)
}

/** What a file holds to be run: one program, one for each architecture, or none. Throws MalformedExecutable. */
export function readExecutables(file: FileContent): readonly Executable[] {
  const head = file.read(0, 64)
  if (isElf(head)) return [readElf(file)]
  if (isMachO(head)) return readMachO(file)
  const pe = mayBePe(head) ? readPe(file) : undefined
  return pe ? [pe] : []
}

/** As `readExecutables`, and none for what is damaged: the cataloger `executables` reports that. */
export function findExecutables(file: FileContent): readonly Executable[] {
  try {
    return readExecutables(file)
  } catch (error) {
    if (error instanceof MalformedExecutable) return []
    throw error
  }
}

/** Where the bytes of an address lie in the file, and how many follow there; undefined for what is not from it. */
export function locateAddress(
  { segments }: Executable,
  address: number,
): { readonly offset: number; readonly sizeBytes: number } | undefined {
  const segment = segments.find((one) => address >= one.address && address < one.address + one.sizeBytes)
  if (segment === undefined) return undefined
  const into = address - segment.address
  return { offset: segment.offset + into, sizeBytes: segment.sizeBytes - into }
}
