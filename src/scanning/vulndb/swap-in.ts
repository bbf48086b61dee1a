import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The file in the folder that names the database in use. */
const pointerName = 'current'

/** The file of the database in use; undefined before the first import. */
export function currentFile(folder: string): string | undefined {
  const pointer = join(folder, pointerName)
  if (!existsSync(pointer)) return undefined
  const file = join(folder, readFileSync(pointer, 'utf8').trim())
  return existsSync(file) ? file : undefined
}

/** Where a version lies, or would lie. */
export function fileOfVersion(folder: string, version: string): string {
  return join(folder, `${version}.sqlite`)
}

/** A name for a new version, in the order of time. */
export function newVersion(now: number): string {
  const time = new Date(now).toISOString().replaceAll(/\D/g, '').slice(0, 14)
  return `${time}-${randomBytes(3).toString('hex')}`
}

/** True for the name of a version, which is also a safe file name. */
export function isVersion(text: string): boolean {
  return /^\d{14}-[0-9a-f]{1,16}$/.test(text)
}

/** The pointer is replaced by a rename, which is whole or not at all; older files go once nothing names them. */
export function swapIn(folder: string, built: string, version: string): void {
  const previous = currentFile(folder)
  const file = fileOfVersion(folder, version)
  renameSync(built, file)
  const pointer = join(folder, pointerName)
  const next = `${pointer}.${randomBytes(4).toString('hex')}`
  writeFileSync(next, `${version}.sqlite`, { flush: true })
  renameSync(next, pointer)
  // The one before stays: a reader may be about to open it, and what changed is told by comparing with it.
  const kept = new Set([file, previous])
  const outdated = readdirSync(folder)
    .filter((name) => name.endsWith('.sqlite') && isVersion(name.slice(0, -'.sqlite'.length)))
    .map((name) => join(folder, name))
  for (const name of outdated) if (!kept.has(name)) rmSync(name, { force: true })
}
