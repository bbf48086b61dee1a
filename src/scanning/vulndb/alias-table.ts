import type { DatabaseSync } from 'node:sqlite'
import { isCve } from './sources/read-json.ts'

interface Named {
  readonly id: string
  readonly aliases: string
}

/**
 * Writes the CVE of each name that some record knows only by another name: an advisory that says no more than
 * `GHSA-…` is joined by the record that calls the same GHSA a CVE. Records that name several CVEs join nothing.
 */
export function writeAliases(database: DatabaseSync): void {
  const advisories = database
    .prepare("select id, aliases from advisory where covers = '[]'")
    .all() as unknown as readonly Named[]
  const named = advisories.map(namesOf)
  const wanted = new Set(named.filter((names) => !names.some(isCve)).flat())
  const insert = database.prepare('insert or ignore into alias values (?, ?)')
  database.exec('begin; delete from alias')
  for (const names of named) {
    const [cve, another] = names.filter(isCve)
    if (cve === undefined || another !== undefined) continue
    for (const name of names) if (wanted.has(name)) insert.run(name, cve)
  }
  database.exec('commit')
}

function namesOf({ id, aliases }: Named): readonly string[] {
  return aliases === '[]' ? [id] : [...new Set([id, ...(JSON.parse(aliases) as string[])])]
}
