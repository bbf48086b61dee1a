import { compare as comparePep440, valid as isPep440 } from '@renovatebot/pep440'
import semver from 'semver'
import type { PackageType } from '../types.ts'
import { compareApk } from './compare-apk.ts'
import { compareComposer } from './compare-composer.ts'
import { compareDeb } from './compare-deb.ts'
import { compareGem } from './compare-gem.ts'
import { compareMaven } from './compare-maven.ts'
import { compareNuget } from './compare-nuget.ts'
import { compareRpm } from './compare-rpm.ts'

/** Less than 0: left is older; 0: the same; more: newer. Total, and never throws. */
export type CompareVersions = (left: string, right: string) => number

/** How each kind of package orders its versions. */
export const versionOrders: Readonly<Record<PackageType, CompareVersions>> = {
  deb: compareDeb,
  apk: compareApk,
  rpm: compareRpm,
  npm: compareSemver,
  golang: compareSemver,
  cargo: compareSemver,
  generic: compareSemver,
  pypi: comparePython,
  maven: fromBeginning(compareMaven),
  gem: fromBeginning(compareGem),
  composer: fromBeginning(compareComposer),
  nuget: fromBeginning(compareNuget),
}

/** Semantic versions; Go's begin with `v`, and its pseudo-versions are pre-releases of one. */
export function compareSemver(left: string, right: string): number {
  const [a, b] = [readSemver(left), readSemver(right)]
  if (!a || !b) return a ? 1 : b ? -1 : compareText(left, right)
  return semver.compare(a, b)
}

function readSemver(text: string): semver.SemVer | null {
  // "0" in an advisory means: from the very beginning, pre-releases included.
  if (text === '0') return semver.parse('0.0.0-0')
  return semver.parse(text, { loose: true }) ?? semver.coerce(text.length <= 64 ? text : '')
}

function comparePython(left: string, right: string): number {
  const [a, b] = [left === '0' ? '0.dev0' : left, right === '0' ? '0.dev0' : right]
  if (isPep440(a) === null || isPep440(b) === null) {
    return isPep440(a) === null ? (isPep440(b) === null ? compareText(a, b) : -1) : 1
  }
  return comparePep440(a, b)
}

/** "0" in an advisory means: from the very beginning, below all that an order knows. */
function fromBeginning(compare: CompareVersions): CompareVersions {
  return (left, right) => {
    if (left !== '0' && right !== '0') return compare(left, right)
    return left === right ? 0 : left === '0' ? -1 : 1
  }
}

function compareText(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1
}
