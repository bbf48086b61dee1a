import type { InstalledPackage, Inventory, OperatingSystem } from '../types.ts'
import type { PackageKey } from '../vulndb/package-state.ts'
import { normaliseName } from '../vulndb/sources/ecosystems.ts'

/** Registries of languages, under OSV's names (OSV schema, "Defined ecosystems"). */
const registries = {
  npm: 'npm',
  pypi: 'PyPI',
  golang: 'Go',
  maven: 'Maven',
  cargo: 'crates.io',
  gem: 'RubyGems',
  composer: 'Packagist',
  nuget: 'NuGet',
  generic: 'Bitnami',
} as const

/**
 * Distributions by os-release's ID, with OSV's name of a release. One that is derived from another is not in
 * here: its packages are its own, so it is matched with nothing.
 */
const distributions: Readonly<Record<string, (version: string) => string>> = {
  debian: (version) => `Debian:${majorOf(version)}`,
  ubuntu: (version) => `Ubuntu:${version}`,
  alpine: (version) =>
    /_alpha|^edge/.test(version) ? 'Alpine:edge' : `Alpine:v${version.split('.').slice(0, 2).join('.')}`,
  almalinux: (version) => `AlmaLinux:${majorOf(version)}`,
  rocky: (version) => `Rocky Linux:${majorOf(version)}`,
  rhel: (version) => `Red Hat:${majorOf(version)}`,
  wolfi: () => 'Wolfi',
  chainguard: () => 'Chainguard',
  'opensuse-leap': (version) => `openSUSE:Leap ${version}`,
}

/** Whose packages a distribution's advisories are about, by the vendor that the package itself names. */
const vendors: Readonly<Record<string, RegExp>> = {
  debian: /debian/i,
  ubuntu: /ubuntu|canonical|debian/i,
  almalinux: /almalinux/i,
  rocky: /rocky/i,
  rhel: /red hat/i,
  'opensuse-leap': /suse/i,
}

function majorOf(version: string): string {
  return version.split('.')[0] || 'unknown'
}

/** The name under which OSV files a package: a release of a distribution, or a language's registry. */
export function ecosystemOf(installed: InstalledPackage, system: OperatingSystem | undefined): string {
  switch (installed.type) {
    case 'deb':
    case 'apk':
    case 'rpm': {
      const id = system?.id ?? 'unknown'
      const name = Object.hasOwn(distributions, id) ? distributions[id] : undefined
      return name ? name(system?.versionId ?? '') : `${id}:${system?.versionId ?? ''}`
    }
    default:
      return registries[installed.type]
  }
}

/** Who packaged it, where that is not the distribution: its advisories then say nothing of it. */
export function findThirdParty(
  installed: InstalledPackage,
  system: OperatingSystem | undefined,
): string | undefined {
  const { vendor, type } = installed
  // A program that some other packager built: a list of upstream's products does not speak for it.
  if (type === 'generic' && vendor !== undefined && vendor !== '') return vendor.slice(0, 60)
  if (vendor === undefined || vendor === '' || (type !== 'deb' && type !== 'rpm')) return undefined
  const own = Object.hasOwn(vendors, system?.id ?? '') ? vendors[system?.id ?? ''] : undefined
  return own === undefined || own.test(vendor) ? undefined : vendor.slice(0, 60)
}

/**
 * Debian, Ubuntu and Alpine file advisories under the source package, whose version may be another one; the rpm
 * distributions under the package itself.
 */
export function nameToMatch(installed: InstalledPackage, ecosystem: string): string {
  const isBySource = installed.type === 'deb' || installed.type === 'apk'
  return normaliseName(ecosystem, (isBySource ? installed.sourceName : undefined) ?? installed.name)
}

export function versionToMatch(installed: InstalledPackage): string {
  if (installed.type === 'golang') return installed.version.replace(/^v/, '')
  const isBySource = installed.type === 'deb' || installed.type === 'apk'
  const version = (isBySource ? installed.sourceVersion : undefined) ?? installed.version
  // A binary-only rebuild has the fixes of the source version that it was built from.
  return installed.type === 'deb' ? version.replace(/\+b\d+$/, '') : version
}

/** What of the database an inventory is matched with: when none of it changes, neither do its findings. */
export function packageKeysOf(inventory: Inventory): readonly PackageKey[] {
  const keys = new Map<string, PackageKey>()
  for (const installed of [...inventory.packages, ...(inventory.removed ?? [])]) {
    const ecosystem = ecosystemOf(installed, inventory.operatingSystem)
    const name = nameToMatch(installed, ecosystem)
    keys.set(`${ecosystem}\0${name}`, { ecosystem, package: name })
  }
  return [...keys.values()]
}
