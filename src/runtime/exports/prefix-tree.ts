import { coversPattern, patternsMeet } from '../../policy/offline.ts'
import type { RuntimeScope } from '../types.ts'

/** A prefix of repository names, for runtimes where the longest one that fits replaces all others. */
export interface PrefixNode {
  /** Without a trailing slash; empty for the whole registry. */
  readonly prefix: string
  /** All of them can hold for names below the prefix, so all of them have to. */
  readonly scopes: readonly RuntimeScope[]
  /** For some names below, no scope holds at all. */
  readonly isOpen: boolean
}

/**
 * The scopes by the prefix under which a runtime looks them up. Such a runtime cannot tell a repository from what
 * lies below it, so a scope with the name of one repository also holds below it, beside what holds there.
 */
export function prefixTree(scopes: readonly RuntimeScope[]): PrefixNode[] {
  const used = scopes.filter(({ isStageName }) => !isStageName)
  const prefixes = [...new Set(['', ...used.map(({ repositories }) => literalPrefix(repositories))])]
  return prefixes
    .toSorted((left, right) => (left < right ? -1 : 1))
    .map((prefix) => nodeOf(prefix, prefixes, used))
}

/** The parts of a pattern before its first wildcard. */
export function literalPrefix(pattern: string): string {
  const parts = pattern.split('/')
  const open = parts.findIndex((part) => part.includes('*'))
  return (open < 0 ? parts : parts.slice(0, open)).join('/')
}

export function isRepositoryName(pattern: string): boolean {
  return !pattern.includes('*')
}

function nodeOf(prefix: string, prefixes: readonly string[], scopes: readonly RuntimeScope[]): PrefixNode {
  const cone = coneOf(prefix)
  const below = prefixes.filter((one) => one !== prefix && coversPattern(cone, coneOf(one))).map(coneOf)
  const found: RuntimeScope[] = []
  for (const scope of scopes) {
    if (!patternsMeet(scope.repositories, cone)) continue
    if (below.some((deeper) => coversPattern(deeper, scope.repositories))) continue
    found.push(scope)
    if (coversPattern(scope.repositories, cone)) return { prefix, scopes: found, isOpen: false }
  }
  return { prefix, scopes: found, isOpen: true }
}

function coneOf(prefix: string): string {
  return prefix === '' ? '**' : `${prefix}/**`
}
