import { findModuleText } from '../go/find-module-text.ts'
import { listModules, tellsModules } from '../go/list-modules.ts'
import { readGoVersion } from '../go/read-go-version.ts'
import type { FileContent, FileFacts } from '../types.ts'
import type { Producer } from './read-producers.ts'

/** What Go's own compiler put into a module: its standard library, and modules. Undefined where it was not used. */
export function readGoModule(file: FileContent, producers: readonly Producer[]): FileFacts | undefined {
  const compiler = producers.find(({ name }) => name === 'Go cmd/compile')
  const version = compiler && readGoVersion(compiler.version)
  if (version === undefined) return undefined
  const modules = findModuleText(file) ?? ''
  return {
    packages: [{ type: 'golang', name: 'stdlib', version }, ...listModules(modules)],
    ...(tellsModules(modules) ? {} : { unknown: 'a Go program that does not tell its modules' }),
  }
}
