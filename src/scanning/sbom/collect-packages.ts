import { ScanningFailure } from '../failures.ts'
import type { OperatingSystem } from '../types.ts'
import type { PackageEvidence } from './package-evidence.ts'
import { packageFromPurl } from './package-from-purl.ts'
import type { ReadSbom, SbomPackage } from './types.ts'

/** Components of one document; the largest images have some ten thousand. */
export const maximumComponents = 200_000

/** Gathers what a reader finds, and what it could make nothing of. */
export class PackageCollection {
  readonly #packages: SbomPackage[] = []
  readonly #systems = new Map<string, { readonly system: OperatingSystem; packages: number }>()
  #stated: OperatingSystem | undefined
  #components = 0
  #withoutPurl = 0
  #unknown = 0

  /** Counts towards the limit; every component does, whatever it is. */
  count(): void {
    if (++this.#components <= maximumComponents) return
    throw new ScanningFailure('SBOM_INVALID', `the SBOM has more than ${maximumComponents} components`)
  }

  add(purl: string, evidence: Partial<PackageEvidence>): void {
    if (purl === '') {
      this.#withoutPurl++
      return
    }
    const named = packageFromPurl(purl, evidence)
    if (!named) {
      this.#unknown++
      return
    }
    this.#packages.push(named.found)
    if (!named.system) return
    const key = `${named.system.id} ${named.system.versionId}`
    const seen = this.#systems.get(key) ?? { system: named.system, packages: 0 }
    seen.packages++
    this.#systems.set(key, seen)
  }

  /** The document itself names the operating system. */
  setSystem(system: OperatingSystem): void {
    if (system.id !== '') this.#stated ??= system
  }

  finish(about: Pick<ReadSbom, 'format' | 'specVersion' | 'name'>): ReadSbom {
    const operatingSystem = this.#stated ?? this.#likeliestSystem()
    return {
      ...about,
      packages: this.#packages,
      ...(operatingSystem ? { operatingSystem } : {}),
      notes: this.#notes(operatingSystem),
    }
  }

  #likeliestSystem(): OperatingSystem | undefined {
    return [...this.#systems.values()].toSorted((left, right) => right.packages - left.packages)[0]?.system
  }

  #notes(system: OperatingSystem | undefined): readonly string[] {
    const needsSystem = this.#packages.some(({ type }) => type === 'deb' || type === 'apk' || type === 'rpm')
    return [
      ...(this.#withoutPurl > 0 ? [`${this.#withoutPurl} components have no package URL`] : []),
      ...(this.#unknown > 0
        ? [
            `${this.#unknown} components have a package URL without a version or of a type that is not matched`,
          ]
        : []),
      ...(needsSystem && !system ? ['no operating system is named, so its packages cannot be matched'] : []),
      ...(this.#systems.size > 1 ? [`packages of ${this.#systems.size} operating systems are mixed`] : []),
    ]
  }
}
