import type { Cataloger, FileContent, FileFacts } from '../types.ts'
import { isExecutable, readExecutables } from './read-executables.ts'
import { MalformedExecutable, type Executable } from './types.ts'

const packerMark = 'UPX!'
const markedBytes = 4096

/** Tells of executables that hide what they were built from: damaged ones, and ones packed with UPX. */
export const executables: Cataloger = {
  name: 'executables',
  maximumBytes: 2 * 1024 ** 3,
  wants: (_path, head) => isExecutable(head),
  read(_path, file): FileFacts {
    try {
      const isHidden = readExecutables(file).some((executable) => isPacked(executable, file))
      return isHidden ? { unknown: 'it is packed with UPX, which hides what it was built from' } : {}
    } catch (error) {
      if (!(error instanceof MalformedExecutable)) throw error
      return { unknown: `the executable is damaged: ${error.message}` }
    }
  },
}

/** UPX leaves an ELF file without sections and its mark near the beginning; in PE files it names its sections. */
function isPacked({ format, sections }: Executable, file: FileContent): boolean {
  if (format === 'pe') return sections.some(({ name }) => name === 'UPX0')
  return sections.length === 0 && file.read(0, markedBytes).includes(packerMark)
}
