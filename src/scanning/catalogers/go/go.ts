import { findExecutables, isExecutable } from '../executables/read-executables.ts'
import { MalformedExecutable, type Executable } from '../executables/types.ts'
import { withoutRepeats } from '../name-package.ts'
import type { Cataloger, FileContent, FileFacts, FoundPackage } from '../types.ts'
import { listModules, tellsModules } from './list-modules.ts'
import { hasGoSection, readBuildInfo, type BuildInfo } from './read-build-info.ts'
import { readGoVersion } from './read-go-version.ts'

/** Go's linker begins the code of PE and Mach-O files with it. */
const buildId = '\xff Go build ID: "'

/** Go programs, told by their content wherever they lie: the standard library and the modules in them. */
export const go: Cataloger = {
  name: 'go',
  maximumBytes: 2 * 1024 ** 3,
  wants: (_path, head) => isExecutable(head),
  read(_path, file) {
    const facts = findExecutables(file).map((executable) => readProgram(file, executable))
    const packages = withoutRepeats(facts.flatMap((one) => one.packages ?? []))
    const unknown = [...new Set(facts.flatMap((one) => one.unknown ?? []))].join('; ')
    return {
      ...(packages.length > 0 ? { packages } : {}),
      ...(unknown === '' ? {} : { unknown }),
    }
  },
}

function readProgram(file: FileContent, executable: Executable): FileFacts {
  try {
    const info = readBuildInfo(file, executable)
    if (info !== undefined) return describe(info)
  } catch (error) {
    if (!(error instanceof MalformedExecutable)) throw error
    return { unknown: error.message }
  }
  return isGo(file, executable) ? { unknown: 'a Go program without build information' } : {}
}

function describe({ goVersion, modules }: BuildInfo): FileFacts {
  const version = readGoVersion(goVersion)
  const packages = listModules(modules)
  if (version === undefined) {
    return { packages, unknown: `Go version ${JSON.stringify(goVersion.slice(0, 40))} is not understood` }
  }
  const stdlib: FoundPackage = { type: 'golang', name: 'stdlib', version }
  return {
    packages: [stdlib, ...packages],
    ...(tellsModules(modules) ? {} : { unknown: 'a Go program that does not tell its modules' }),
  }
}

function isGo(file: FileContent, executable: Executable): boolean {
  if (hasGoSection(executable)) return true
  const code = executable.sections.find(({ name }) => name === '.text' || name === '__text')
  return code !== undefined && file.read(code.offset, 64).toString('latin1').startsWith(buildId)
}
