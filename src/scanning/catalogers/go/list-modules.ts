import { namePackage } from '../name-package.ts'
import type { FoundPackage } from '../types.ts'

/** Longest ldflags that are looked through for a version. */
const maximumFlagsLength = 20_000

/** What the lines of Go's build information say (Go's `runtime/debug.BuildInfo`, "String"). */
interface Lines {
  readonly main?: Module
  readonly dependencies: readonly Module[]
  readonly settings: ReadonlyMap<string, string>
}

interface Module {
  readonly path: string
  readonly version: string
}

/**
 * The modules that a Go program was built from. A replacement is what was really built in. The main module has a
 * version only where Go was asked for one, or where the linker was handed one (`-X main.version=1.2.3`). Without it
 * the main module is left out: its advisories cannot be told to apply or not, and most are nobody else's.
 */
export function listModules(text: string): FoundPackage[] {
  const { main, dependencies, settings } = readLines(text)
  const modules = main === undefined ? dependencies : [withVersion(main, settings), ...dependencies]
  return modules.flatMap((module) => {
    if (module === undefined || module.version === '(devel)') return []
    return namePackage('golang', module.path, module.version) ?? []
  })
}

/**
 * False where the program was not built from modules, so that nothing tells what is in it: by Bazel, or from a folder
 * as before there were modules. Go's own commands, and a file alone, have nothing but the standard library.
 */
export function tellsModules(text: string): boolean {
  return /^(?:mod|dep)\t/m.test(text) || /^path\t(?:cmd\/|command-line-arguments\b)/.test(text)
}

/** Kind, path and version of a line are split by tabs; `=>` is about the line before it. */
function readLines(text: string): Lines {
  let main: Module | undefined
  let isMain = false
  const dependencies: Module[] = []
  const settings = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [kind, path = '', version = ''] = line.split('\t')
    const module = { path, version }
    if (kind === 'mod') main = module
    else if (kind === 'dep') dependencies.push(module)
    else if (kind === '=>' && isMain) main = module
    else if (kind === '=>') dependencies.splice(-1, 1, module)
    else if (kind === 'build') {
      const equals = path.indexOf('=')
      if (equals > 0) settings.set(path.slice(0, equals), path.slice(equals + 1))
    }
    if (kind !== '=>') isMain = kind === 'mod'
  }
  return { ...(main ? { main } : {}), dependencies, settings }
}

/** A version that was made up from the time of a commit, as no tag was at hand, says nothing of releases. */
function withVersion(main: Module, settings: ReadonlyMap<string, string>): Module | undefined {
  if (main.version !== '(devel)' && main.version !== '' && !/^v0\.0\.0-\d{14}-/.test(main.version))
    return main
  const version = versionFromFlags(settings.get('-ldflags') ?? '')
  return version === undefined ? undefined : { ...main, version }
}

/** The version that all variables called `version` agree on, or that `main.version` alone has. */
function versionFromFlags(flags: string): string | undefined {
  const variables = [
    ...flags.slice(0, maximumFlagsLength).matchAll(/-X[ =][\\"']{0,2}([^\s=]{1,200})=([^\s\\"']{1,100})/g),
  ]
  const versions = variables.filter(([, name = '']) => /(?:^|[./_])(?:[a-z]{0,20})version$/i.test(name))
  const ofMain = versions.filter(([, name = '']) => /^main\.version$/i.test(name))
  const values = new Set(
    (ofMain.length > 0 ? ofMain : versions).flatMap(([, , value = '']) => cleanVersion(value) ?? []),
  )
  const [version] = values
  return values.size === 1 ? version : undefined
}

function cleanVersion(text: string): string | undefined {
  const match = /^v?(\d{1,6}\.\d{1,6}\.\d{1,6}(?:-[0-9A-Za-z.-]{1,60})?)(?:\+[0-9A-Za-z.-]{1,60})?$/.exec(
    text,
  )
  return match ? `v${match[1]}` : undefined
}
