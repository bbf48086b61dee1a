import { createReadStream, readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Command } from 'commander'
import type { ImportBody, VulndbStatus } from '../scanning/wire.ts'
import { CommandError, withQuery } from './client.ts'
import type { Context } from './commands.ts'
import { formatTable, print, printJson, progress, wrap } from './print.ts'

/** The vulnerability database. */
export function vulndbCommands(program: Command, context: Context): void {
  const vulndb = program.command('vulndb').description('the vulnerability database')
  vulndb
    .command('status')
    .description('version, age and sources')
    .action(async () => {
      const status = await context.client().get<VulndbStatus>('/api/v1/vulndb')
      if (context.isJson()) return printJson(status)
      if (status.version === undefined)
        return print('There is no vulnerability database yet: pratique vulndb update, or import FILE')
      print(`Version ${status.version}, ${status.ageDays} days old`)
      print(
        formatTable(status.sources, [
          { title: 'SOURCE', value: ({ name }) => name, isWide: true },
          { title: 'RECORDS', value: ({ records }) => String(records) },
          { title: 'NEWEST', value: ({ builtAt }) => builtAt?.slice(0, 10) ?? 'no dates' },
        ]),
      )
    })
  vulndb
    .command('import <path>')
    .description('import advisories from a file or folder (OSV .json, .jsonl, .jsonl.gz, .zip; Alpine secdb)')
    .action(async (path: string) => {
      const files = findFiles(path)
      const reports: ImportBody[] = []
      for (const file of files) reports.push(await importFile(context, file))
      if (context.isJson()) return printJson(reports)
      for (const report of reports) printReport(report)
    })
  vulndb
    .command('update')
    .description('fetch the public feeds and build a new database')
    .action(async () => {
      const report = await context.client().send<ImportBody>('POST', '/api/v1/vulndb/update')
      if (context.isJson()) return printJson(report)
      printReport(report)
    })
}

function findFiles(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path]
    const files = readdirSync(path)
      .filter((name) => /\.(?:json|jsonl|jsonl\.gz|zip)$/.test(name) && name !== 'MANIFEST.json')
      .toSorted()
      .map((name) => join(path, name))
    if (files.length === 0) throw new CommandError(`${path} holds no .json, .jsonl, .jsonl.gz or .zip file`)
    return files
  } catch (error) {
    if (error instanceof CommandError) throw error
    throw new CommandError(`${path} cannot be read: ${(error as Error).message}`)
  }
}

async function importFile(context: Context, file: string): Promise<ImportBody> {
  const bar = progress(`importing ${basename(file)}`)
  const { size } = statSync(file)
  const stream = createReadStream(file)
  let sent = 0
  stream.on('data', (chunk) => bar.step((sent += chunk.length), size))
  try {
    const path = withQuery('/api/v1/vulndb/import', { name: basename(file) })
    return await context
      .client()
      .upload<ImportBody>('POST', path, stream, { 'content-type': 'application/octet-stream' })
  } finally {
    bar.end()
  }
}

function printReport(report: ImportBody): void {
  for (const { name, records, skipped } of report.sources) {
    print(`${name}: ${records} records${skipped > 0 ? `, ${skipped} withdrawn or informational` : ''}`)
  }
  if (report.errorCount > 0) {
    print(`${report.errorCount} records could not be read:`)
    for (const error of report.errors) print(wrap(error, '  '))
  }
  print(`Database ${report.version} is in use`)
}
