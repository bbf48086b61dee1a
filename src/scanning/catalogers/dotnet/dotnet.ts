import { namePackage, withoutRepeats } from '../name-package.ts'
import { asObject, readJson, type Loose } from '../read-json.ts'
import type { Cataloger, FoundPackage } from '../types.ts'

/** `shared/Microsoft.NETCore.App/8.0.4/Microsoft.NETCore.App.deps.json` */
const sharedFramework = /(?:^|\/)shared\/(Microsoft\.[\w.]{1,60})\/(\d[\w.-]{0,60})\/\1\.deps\.json$/
/** What an application carries of its own runtime is named after the package that it was taken from. */
const runtimePack = 'runtimepack.'
/** The parts of a package that run; one without any was there to build with, or the framework has a newer one. */
const assets = ['runtime', 'native', 'runtimeTargets', 'resources']

/** .NET applications and shared frameworks, by their dependency manifests (dotnet/sdk, "runtime configuration files"). */
export const dotnet: Cataloger = {
  name: 'dotnet',
  maximumBytes: 64 * 1024 * 1024,
  wants: (path) => path.endsWith('.deps.json'),
  read(path, file) {
    const manifest = asObject(readJson(file))
    const [libraries, targets] = [manifest['libraries'], manifest['targets']]
    if (libraries === undefined && targets === undefined) return { unknown: 'it is no dependency manifest' }
    const running = findRunning(asObject(targets))
    const packages = Object.entries(asObject(libraries)).map(([key, value]) =>
      readLibrary(key, asObject(value)['type'], running),
    )
    return { packages: withoutRepeats([readFramework(path, manifest), ...packages]) }
  },
}

/** Keys of all that has something to run in some target; undefined when no target says. */
function findRunning(targets: Loose): ReadonlySet<string> | undefined {
  const all = Object.values(targets).flatMap((target) => Object.entries(asObject(target)))
  if (all.length === 0) return undefined
  return new Set(
    all
      .filter(([, library]) => assets.some((asset) => isFilled(asObject(library)[asset])))
      .map(([key]) => key),
  )
}

function isFilled(value: unknown): boolean {
  return Object.keys(asObject(value)).length > 0
}

/** `Newtonsoft.Json/13.0.1`; projects are the application itself. */
function readLibrary(
  key: string,
  type: unknown,
  running: ReadonlySet<string> | undefined,
): FoundPackage | undefined {
  if ((type !== 'package' && type !== 'runtimepack') || running?.has(key) === false) return undefined
  const slash = key.lastIndexOf('/')
  const name = key.slice(0, Math.max(0, slash))
  return namePackage(
    'nuget',
    name.startsWith(runtimePack) ? name.slice(runtimePack.length) : name,
    key.slice(slash + 1),
  )
}

/** A shared framework is the runtime package of its platform, under which advisories name it. */
function readFramework(path: string, manifest: Loose): FoundPackage | undefined {
  const match = sharedFramework.exec(path)
  const target = asObject(manifest['runtimeTarget'])['name']
  const platform = typeof target === 'string' ? /\/([a-z][\w.-]{0,40})$/.exec(target)?.[1] : undefined
  if (!match || platform === undefined) return undefined
  return namePackage('nuget', `${match[1]}.Runtime.${platform}`, match[2])
}
