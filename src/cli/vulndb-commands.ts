import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { ImportBody } from '../scanning/wire.ts'
import { CommandError } from './client.ts'
import type { Context } from './commands.ts'
import { formatTable, print, printJson, wrap } from './print.ts'
import { exportBundle, isBundle, pullBundle, pushBundle, type BundleOptions } from './vulndb-bundle.ts'
import { cacheFolder, localPlace, serverPlace, type VulndbPlace } from './vulndb-place.ts'

/** The vulnerability database. */
export function vulndbCommands(program: Command, context: Context): void {
  const vulndb = program.command('vulndb').description('the vulnerability database')
  const local = [
    '--local [folder]',
    'the database of this machine, which scan uses without a server',
  ] as const
  vulndb
    .command('status')
    .description('version, age and sources')
    .option(...local)
    .action(async (options: LocalOption) => {
      const status = await (await placeOf(context, options)).status()
      if (context.isJson()) return printJson(status)
      if (status.version === undefined)
        return print('There is no vulnerability database yet: pratique vulndb update, or import FILE')
      print(`Version ${status.version}, ${status.ageDays} days old`)
      print(
        formatTable(status.sources, [
          { title: 'SOURCE', value: ({ name }) => name, isWide: true },
          { title: 'RECORDS', value: ({ records }) => String(records) },
          { title: 'NEWEST', value: ({ builtAt }) => builtAt?.slice(0, 10) ?? 'no dates' },
          { title: 'CHECKED', value: ({ checkedAt }) => checkedAt?.slice(0, 10) ?? 'a file' },
        ]),
      )
      for (const { name, error } of status.sources) if (error) print(wrap(`${name}: ${error}`, '  '))
    })
  vulndb
    .command('import <path>')
    .description('import a signed bundle, or advisories from a file or folder (OSV and other sources)')
    .option('--key <file>', 'bundle: the PEM public key that has to have signed it')
    .option('--allow-older', 'bundle: also when it is older than the database in use')
    .option(...local)
    .action(async (path: string, options: BundleOptions & LocalOption) => {
      const place = await placeOf(context, options)
      if (isFile(path) && isBundle(path)) return useBundle(context, place, path, options)
      const files = findFiles(path)
      const reports: ImportBody[] = []
      for (const file of files) reports.push(await place.importFile(file))
      if (context.isJson()) return printJson(reports)
      for (const report of reports) printReport(report)
    })
  vulndb
    .command('update')
    .description('ask the public feeds for what is new and build a new database')
    .option(...local)
    .action(async (options: LocalOption) => {
      const report = await (await placeOf(context, options)).update()
      if (context.isJson()) return printJson(report)
      printReport(report)
    })
  bundleCommands(vulndb, context, local)
}

/** How the database gets to where there is no connection. */
function bundleCommands(vulndb: Command, context: Context, local: readonly [string, string]): void {
  vulndb
    .command('export <file>')
    .description('write the database as a signed bundle')
    .requiredOption('--key <file>', 'PEM private key (Ed25519 or ECDSA P-256) to sign with')
    .action(async (path: string, { key }: { key: string }) => {
      const manifest = await exportBundle(context.client(), path, key)
      if (context.isJson()) return printJson(manifest)
      print(`Version ${manifest.version} is in ${path}`)
    })
  vulndb
    .command('push <image>')
    .description('push the database as a signed bundle to REPOSITORY:TAG')
    .requiredOption('--key <file>', 'PEM private key (Ed25519 or ECDSA P-256) to sign with')
    .action((name: string, { key }: { key: string }) =>
      withTemporaryFile(async (path) => {
        const client = context.client()
        const manifest = await exportBundle(client, path, key)
        const digest = await pushBundle(client, path, name, manifest)
        if (context.isJson()) return printJson({ image: name, digest, version: manifest.version })
        print(`Pushed version ${manifest.version} to ${name}\n${digest}`)
      }),
    )
  vulndb
    .command('pull <image>')
    .description('put the bundle at REPOSITORY:TAG into use')
    .option('--key <file>', 'the PEM public key that has to have signed it')
    .option('--allow-older', 'also when it is older than the database in use')
    .option(...local)
    .action((name: string, options: BundleOptions & LocalOption) =>
      withTemporaryFile(async (path) => {
        await pullBundle(context.client(), name, path)
        await useBundle(context, await placeOf(context, options), path, options)
      }),
    )
}

interface LocalOption {
  readonly local?: string | true
}

async function placeOf(context: Context, { local }: LocalOption): Promise<VulndbPlace> {
  if (local === undefined) return serverPlace(context)
  return localPlace(local === true ? join(cacheFolder(), 'vulndb') : local)
}

async function useBundle(
  context: Context,
  place: VulndbPlace,
  path: string,
  options: BundleOptions,
): Promise<void> {
  const manifest = await place.useBundle(path, options)
  if (context.isJson()) return printJson(manifest)
  const records = manifest.sources.reduce((sum, source) => sum + source.records, 0)
  print(`${manifest.sources.length} sources, ${records} records`)
  print(`Database ${manifest.version} is in use`)
}

async function withTemporaryFile(act: (path: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'pratique-vulndb-'))
  try {
    await act(join(folder, 'bundle.tar'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

const advisoryFile = /\.(?:json|json\.gz|jsonl|jsonl\.gz|csv|csv\.gz|zip|tar|tar\.gz|tgz|tar\.zst)$/

function findFiles(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path]
    const files = readdirSync(path)
      .filter((name) => advisoryFile.test(name) && name !== 'MANIFEST.json')
      .toSorted()
      .map((name) => join(path, name))
    if (files.length === 0) throw new CommandError(`${path} holds no .json, .jsonl, .jsonl.gz or .zip file`)
    return files
  } catch (error) {
    if (error instanceof CommandError) throw error
    throw new CommandError(`${path} cannot be read: ${(error as Error).message}`)
  }
}

function printReport(report: ImportBody): void {
  for (const { name, records, skipped } of report.sources) {
    print(`${name}: ${records} records${skipped > 0 ? `, ${skipped} withdrawn or informational` : ''}`)
  }
  if (report.unchanged && report.unchanged.length > 0)
    print(`Nothing new from ${report.unchanged.join(', ')}`)
  for (const { name, error } of report.failed ?? []) print(wrap(`${name} failed: ${error}`, '  '))
  if (report.errorCount > 0) {
    print(`${report.errorCount} records could not be read:`)
    for (const error of report.errors) print(wrap(error, '  '))
  }
  print(`Database ${report.version} is in use`)
}
