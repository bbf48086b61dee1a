import type { PolicyLevel } from './types.ts'

/** Whose word a level is: `organisation`, or `project shop` for what that project says of itself. */
export function authorityOf(level: string): string {
  return level.startsWith('project ') ? (level.split(', ', 1)[0] ?? level) : 'organisation'
}

/**
 * The organisation's levels before a project's. What two levels ask alike goes by the name of the first, and has to go
 * by that of the organisation: a project could otherwise say it too, and then except from it by its own authority.
 */
export function organisationFirst(levels: readonly PolicyLevel[]): PolicyLevel[] {
  const isOwn = ({ level }: PolicyLevel): boolean => authorityOf(level) !== 'organisation'
  return levels.toSorted((left, right) => Number(isOwn(left)) - Number(isOwn(right)))
}
