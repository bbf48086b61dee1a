import { PackageURL } from 'packageurl-js'
import type { FoundPackage } from './catalogers/index.ts'
import type { OperatingSystem, PackageType } from './types.ts'

/** What separates the namespace of a package URL from its name in an ecosystem's own names. */
const separators: Readonly<Partial<Record<PackageType, string>>> = {
  npm: '/',
  golang: '/',
  composer: '/',
  maven: ':',
}

const systemNamespaces: Readonly<Partial<Record<PackageType, string>>> = {
  deb: 'debian',
  apk: 'alpine',
  rpm: 'redhat',
}

/** Package URL (purl-spec, the definitions of each type). */
export function makePurl(found: FoundPackage, operatingSystem: OperatingSystem | undefined): string {
  const { type, name, version } = found
  const system = systemNamespaces[type]
  if (system !== undefined) {
    return new PackageURL(
      type,
      operatingSystem?.id ?? system,
      name,
      ...systemVersion(found, operatingSystem),
      undefined,
    ).toString()
  }
  const at = name.lastIndexOf(separators[type] ?? '\0')
  const namespace = at > 0 ? name.slice(0, at) : undefined
  // An artifact of Maven's without a group has no package URL of that type (purl-spec, "maven").
  const known = type === 'maven' && namespace === undefined ? 'generic' : type
  return new PackageURL(known, namespace, name.slice(at + 1), version, undefined, undefined).toString()
}

/** rpm keeps the epoch apart from the version (purl-spec, "rpm"). */
function systemVersion(
  { type, version, architecture }: FoundPackage,
  operatingSystem: OperatingSystem | undefined,
): [string, Record<string, string>] {
  const epoch = type === 'rpm' ? /^(\d+):/.exec(version)?.[1] : undefined
  return [
    epoch === undefined ? version : version.slice(epoch.length + 1),
    {
      ...(architecture ? { arch: architecture } : {}),
      ...(operatingSystem ? { distro: `${operatingSystem.id}-${operatingSystem.versionId}` } : {}),
      ...(epoch === undefined || epoch === '0' ? {} : { epoch }),
    },
  ]
}
