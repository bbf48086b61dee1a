import { isolationLevels, type RunningStatement } from '../rules-schema.ts'
import { authorityOf } from './authority.ts'
import type { PolicyLevel } from './types.ts'

/**
 * What all levels together ask of nodes: the strongest isolation, eviction where one asks for it, and the shortest time
 * for which glass may be broken, which only the organisation can allow at all. Undefined when nothing is asked.
 */
export function mergeRunning(levels: readonly PolicyLevel[]): RunningStatement | undefined {
  const said = levels.flatMap(({ level, rules }) => (rules.running ? [{ level, ...rules.running }] : []))
  const order = Math.max(
    -1,
    ...said.map(({ isolation }) => (isolation ? isolationLevels.indexOf(isolation) : -1)),
  )
  const isolation = isolationLevels[order]
  const isEvicted = said.some(({ quarantined }) => quarantined === 'evict')
  const hours = said.flatMap(({ breakGlassHours }) =>
    breakGlassHours === undefined ? [] : [breakGlassHours],
  )
  const isAllowed = said.some(
    ({ level, breakGlassHours }) => breakGlassHours !== undefined && authorityOf(level) === 'organisation',
  )
  const merged = {
    ...(isolation ? { isolation } : {}),
    ...(isEvicted ? { quarantined: 'evict' as const } : {}),
    ...(isAllowed ? { breakGlassHours: Math.min(...hours) } : {}),
  }
  return Object.keys(merged).length > 0 ? merged : undefined
}
