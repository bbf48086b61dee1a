import { PackageURL } from 'packageurl-js'
import { packageTypes, type OperatingSystem, type PackageType } from '../types.ts'
import type { PackageEvidence } from './package-evidence.ts'
import type { SbomPackage } from './types.ts'

/** What joins the namespace and the name of a package URL in the ecosystem's own spelling. */
const separators: Readonly<Partial<Record<PackageType, string>>> = {
  npm: '/',
  golang: '/',
  composer: '/',
  maven: ':',
}

export interface NamedPackage {
  readonly found: SbomPackage
  /** From `distro=debian-12`, with the namespace as its name. */
  readonly system?: OperatingSystem
}

/** Undefined for what is no package URL, names no version, or is of a type that nothing is matched for. */
export function packageFromPurl(text: string, evidence: Partial<PackageEvidence>): NamedPackage | undefined {
  const purl = parsePurl(text)
  const type = purl && packageTypes.find((one) => one === purl.type)
  if (!purl || !type || !purl.name || !purl.version) return undefined
  const { qualifiers } = purl
  const name = nameOf(type, purl)
  const version = withEpoch(type, purl.version, qualifiers['epoch'])
  const source = sourceOf(type, qualifiers['upstream'], evidence)
  const module = evidence.module ?? qualifiers['rpmmod'] ?? qualifiers['modularitylabel']
  const system = systemOf(type, purl.namespace ?? '', qualifiers['distro'])
  return {
    found: {
      type,
      name,
      version,
      ...differing(source, name, version),
      ...(qualifiers['arch'] === undefined ? {} : { architecture: qualifiers['arch'] }),
      ...(type === 'rpm' && module ? { module } : {}),
      ...(evidence.vendor ? { vendor: evidence.vendor } : {}),
      purl: text,
      path: (evidence.path ?? '').replace(/^\/+/, ''),
      ...(evidence.layer ? { layerDigest: evidence.layer } : {}),
      ...(evidence.diffId ? { diffId: evidence.diffId } : {}),
    },
    ...(system ? { system } : {}),
  }
}

interface ParsedPurl {
  readonly type: string
  readonly namespace: string | undefined
  readonly name: string
  readonly version: string | undefined
  readonly qualifiers: Readonly<Record<string, string | undefined>>
}

function parsePurl(text: string): ParsedPurl | undefined {
  try {
    const { type, namespace, name, version, qualifiers } = PackageURL.fromString(text)
    return {
      type: type ?? '',
      namespace: namespace ?? undefined,
      name: name ?? '',
      version: version ?? undefined,
      qualifiers: { ...qualifiers },
    }
  } catch {
    return undefined
  }
}

function nameOf(type: PackageType, { namespace, name }: ParsedPurl): string {
  // PyPA, "Names and normalization": how our own catalogue and the advisories spell them.
  if (type === 'pypi') return name.toLowerCase().replaceAll(/[-_.]+/g, '-')
  const separator = separators[type]
  return separator !== undefined && namespace ? `${namespace}${separator}${name}` : name
}

/** purl-spec, "deb" and "rpm": some keep the epoch beside the version. */
function withEpoch(type: PackageType, version: string, epoch: string | undefined): string {
  if ((type !== 'deb' && type !== 'rpm') || !epoch || !/^\d+$/.test(epoch) || version.includes(':')) {
    return version
  }
  return `${epoch}:${version}`
}

interface Source {
  readonly name?: string
  readonly version?: string
}

/** `upstream=util-linux@2.38.1-5`; for rpm it names the source file, and matching goes by the binary's name. */
function sourceOf(
  type: PackageType,
  upstream: string | undefined,
  { sourceName, sourceVersion }: Partial<PackageEvidence>,
): Source {
  if (type !== 'deb' && type !== 'apk') return {}
  if (sourceName || sourceVersion) {
    return {
      ...(sourceName ? { name: sourceName } : {}),
      ...(sourceVersion ? { version: sourceVersion } : {}),
    }
  }
  const [name, version] = (upstream ?? '').split('@', 2)
  return { ...(name ? { name } : {}), ...(version ? { version } : {}) }
}

function differing(source: Source, name: string, version: string): Pick<SbomPackage, 'sourceName'> {
  return {
    ...(source.name === undefined || source.name === name ? {} : { sourceName: source.name }),
    ...(source.version === undefined || source.version === version ? {} : { sourceVersion: source.version }),
  }
}

function systemOf(
  type: PackageType,
  namespace: string,
  distro: string | undefined,
): OperatingSystem | undefined {
  if ((type !== 'deb' && type !== 'apk' && type !== 'rpm') || !distro) return undefined
  const dash = distro.lastIndexOf('-')
  // Trivy writes `distro=3.19.1` for Alpine, others `alpine-3.19.1`.
  const [id, versionId] = dash > 0 ? [distro.slice(0, dash), distro.slice(dash + 1)] : [namespace, distro]
  return id === '' ? undefined : { id, versionId, prettyName: '' }
}
