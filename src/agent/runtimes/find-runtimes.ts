import { accessSync, constants } from 'node:fs'
import { basename, delimiter, join } from 'node:path'
import type { EngineRuntime } from '../engine/types.ts'
import { recogniseRuntime } from './known-runtimes.ts'

/** Low-level runtimes in the order in which they are preferred: the first is what pods get that name none. */
const programs = ['runc', 'crun', 'runsc', 'kata-runtime', 'youki'] as const
const handlerOf: Readonly<Record<string, string>> = { 'kata-runtime': 'kata' }
const kinds = ['runc', 'crun', 'runsc', 'kata', 'youki'] as const

/** The low-level runtimes of this machine; or those that are configured, as program by handler. */
export function findRuntimes(
  configured?: Readonly<Record<string, string>>,
  path = `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin${delimiter}/usr/local/sbin`,
): EngineRuntime[] {
  const named =
    configured ??
    Object.fromEntries(
      programs.flatMap((name) => {
        const found = findProgram(name, path)
        return found === undefined ? [] : [[handlerOf[name] ?? name, found]]
      }),
    )
  return Object.entries(named).map(([handler, program]) => {
    const known = recogniseRuntime([basename(program), handler])?.name
    // What is not known is taken for one that is called as runc is.
    return { handler, program, kind: kinds.find((kind) => kind === known) ?? 'runc' }
  })
}

export function findProgram(name: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
