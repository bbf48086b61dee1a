import { namePackage } from '../name-package.ts'
import type { FoundPackage } from '../types.ts'
import { splitFileName, type ArchiveName } from './archive-name.ts'
import { readManifest, readProperties } from './read-manifest.ts'
import { findKnownGroup } from './well-known-groups.ts'

type Manifest = ReadonlyMap<string, string>

/** Vendors that publish under groups below these, never under these. */
const umbrellas = new Set([
  'org.apache',
  'org.eclipse',
  'org.glassfish',
  'org.jboss',
  'org.joda',
  'com.sun',
  'com.oracle',
])

/**
 * The artifacts of an archive. Maven records each that went in, those of shaded libraries too; where none of the
 * records is of the archive itself, its manifest and its file name have to say what it is. The name is
 * `group:artifact`, and the artifact alone where nothing tells the group.
 */
export function identifyArchive(path: string, records: ReadonlyMap<string, string>): FoundPackage[] {
  const named = splitFileName(path)
  const recorded = [...records].flatMap(([place, text]) =>
    place.endsWith('/pom.properties') ? (readRecord(place, text) ?? []) : [],
  )
  if (recorded.some((one) => isItself(one, named, recorded.length))) return recorded
  const derived = derive(named, readManifest(records.get('META-INF/MANIFEST.MF') ?? ''))
  return derived ? [...recorded, derived] : recorded
}

/** `META-INF/maven/<group>/<artifact>/pom.properties` */
function readRecord(place: string, text: string): FoundPackage | undefined {
  const [, , group, artifact] = place.split('/')
  const properties = readProperties(text)
  const name = `${properties.get('groupId') ?? group}:${properties.get('artifactId') ?? artifact}`
  const version = properties.get('version')
  return name.includes('${') || version?.includes('${') ? undefined : namePackage('maven', name, version)
}

/** By its name, or as the only record in a file whose name tells no version, as applications are called. */
function isItself({ name }: FoundPackage, { stem, version }: ArchiveName, count: number): boolean {
  const artifact = name.slice(name.indexOf(':') + 1)
  return stem === artifact || stem.startsWith(`${artifact}-`) || (count === 1 && version === undefined)
}

function derive(named: ArchiveName, manifest: Manifest): FoundPackage | undefined {
  const version = findVersion(named, manifest)
  if (version === undefined) return undefined
  const artifact = findArtifact(named, manifest)
  const group = findGroup(artifact, version, manifest)
  return namePackage('maven', group === undefined ? artifact : `${group}:${artifact}`, version)
}

/** Jenkins' plugins say it themselves; builds add to the version in a manifest, and OSGi rewrites it. */
function findVersion({ version }: ArchiveName, manifest: Manifest): string | undefined {
  const given = [
    manifest.get('plugin-version')?.split(' ', 1)[0],
    version,
    manifest.get('implementation-version'),
    manifest.get('bundle-version'),
    manifest.get('specification-version'),
  ]
  return given.find((one) => one !== undefined && /^v?\d[\w.+~-]{0,100}$/.test(one))
}

function findArtifact({ stem, artifact, version }: ArchiveName, manifest: Manifest): string {
  const title = manifest.get('implementation-title')
  // Tomcat leaves the prefix of its artifacts away in its own folder.
  if (title === 'Apache Tomcat' && !artifact.startsWith('tomcat-')) return `tomcat-${artifact}`
  const plugin = manifest.has('plugin-version') ? manifest.get('short-name') : undefined
  if (plugin !== undefined && isIdentifier(plugin)) return plugin
  if (version !== undefined) return artifact
  return title !== undefined && /^[a-z][a-z0-9-]{1,80}$/.test(title) ? title : stem
}

function findGroup(artifact: string, version: string, manifest: Manifest): string | undefined {
  const vendor = manifest.get('implementation-vendor-id')
  const said = [
    manifest.get('group-id'),
    findKnownGroup(artifact, version),
    vendor !== undefined && umbrellas.has(vendor) ? undefined : vendor,
  ]
  const group = said.find((one) => one !== undefined && isIdentifier(one))
  if (group !== undefined) return group
  // OSGi's tools make `group.artifact` of both. With one word, `a.b.b` could as well be artifact b of group a.b.b.
  const [symbolic = ''] = (manifest.get('bundle-symbolicname') ?? '').split(';', 1)
  const isJoined = artifact.includes('-') && symbolic.endsWith(`.${artifact}`) && isIdentifier(symbolic)
  return isJoined ? symbolic.slice(0, -artifact.length - 1) : undefined
}

function isIdentifier(text: string): boolean {
  return /^[a-z0-9_-]{1,80}(?:\.[a-z0-9_-]{1,80}){0,12}$/i.test(text)
}
