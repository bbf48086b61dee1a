import { readFileSync } from 'node:fs'
import { CommandError } from './client.ts'

/** A file that somebody named on the command line. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new CommandError(`${file} cannot be read: ${(error as Error).message}`)
  }
}
