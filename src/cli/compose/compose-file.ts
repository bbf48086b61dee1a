import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { CommandError } from '../client.ts'
import { interpolate } from './interpolate.ts'

const maximumBytes = 1024 * 1024
const usualFiles = ['compose.yaml', 'compose.yml', 'docker-compose.yaml', 'docker-compose.yml']

export interface NameOptions {
  readonly file?: string | undefined
  readonly projectName?: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** A compose file as it is written: its variables are not yet in place. */
export interface ComposeFile {
  readonly file: string
  /** That its relative paths begin from. */
  readonly folder: string
  readonly document: Readonly<Record<string, unknown>>
}

/** The file that is named, or the usual one of this folder. Throws `CommandError`. */
export function readComposeFile(wanted: string | undefined): ComposeFile {
  const file = wanted ?? usualFiles.find((one) => existsSync(one))
  if (file === undefined)
    throw new CommandError(`there is no ${usualFiles[0]} in this folder: name a file with --file`)
  let document: unknown
  try {
    if (statSync(file).size > maximumBytes) throw new Error(`it has more than ${maximumBytes} bytes`)
    document = parse(readFileSync(file, 'utf8'), { maxAliasCount: 100 })
  } catch (error) {
    throw new CommandError(`${file} cannot be read: ${(error as Error).message}`)
  }
  if (!isRecord(document)) throw new CommandError(`${file} is no compose file`)
  return { file, folder: dirname(resolve(file)), document }
}

/**
 * The name of a project, and nothing else of its file: what runs can be looked at and taken down where its variables
 * have no values, and without the file where the name is given. Throws `CommandError`.
 */
export function findProjectName(options: NameOptions): string {
  return options.projectName === undefined
    ? nameOf(readComposeFile(options.file), options)
    : checkName(options.projectName)
}

export function nameOf({ document, folder }: ComposeFile, options: NameOptions): string {
  const { name } = document
  if (options.projectName !== undefined) return checkName(options.projectName)
  return checkName(typeof name === 'string' ? interpolate(name, options.environment) : basename(folder))
}

function checkName(given: string): string {
  const name = given.toLowerCase()
  if (/^[a-z0-9][a-z0-9-]{0,29}$/.test(name)) return name
  throw new CommandError(
    `${JSON.stringify(name)} is no name of a project: give one of small letters, digits and - with --project-name`,
  )
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
