import type { Command } from 'commander'
import type { AuditPage, AuditReport } from '../audit/wire.ts'
import type { GarbageReportBody, RepositoryRule, RetentionReport } from '../registry/wire.ts'
import { pick } from './access-commands.ts'
import { CommandError, exitCodes } from './client.ts'
import type { Context } from './commands.ts'
import { formatBytes, formatTable, print, printJson, shortDigest, wrap } from './print.ts'

/** Garbage collection, rules per repository, and the audit log. */
export function maintenanceCommands(program: Command, context: Context): void {
  program
    .command('gc')
    .description('collect what nothing refers to, while serving')
    .option('--dry-run', 'only say what would go')
    .action(async (options: { dryRun?: boolean }) => {
      const report = await context
        .client()
        .send<GarbageReportBody>('POST', '/api/v1/gc', { dryRun: options.dryRun === true })
      if (context.isJson()) return printJson(report)
      const would = report.dryRun ? 'would be ' : ''
      print(`${report.expiredUploads} expired uploads ${would}removed`)
      print(`${report.deletedManifests} manifests ${would}deleted`)
      print(`${report.unlinkedBlobs} blobs ${would}unlinked, ${report.condemnedBlobs} ${would}condemned`)
      print(`${report.deletedBlobs} blobs ${would}deleted, ${formatBytes(report.freedBytes)} ${would}freed`)
      print(`${report.orphanFiles} orphan files ${would}removed`)
    })
  ruleCommands(program, context)
  auditCommands(program, context)
}

function ruleCommands(program: Command, context: Context): void {
  const rule = program.command('rule').description('immutable tags and retention, per repository pattern')
  rule
    .command('list')
    .description('all rules')
    .action(async () => {
      const { items } = await context.client().get<{ items: RepositoryRule[] }>('/api/v1/repository-rules')
      if (context.isJson()) return printJson(items)
      print(
        formatTable(items, [
          { title: 'ID', value: ({ id }) => id.slice(0, 8) },
          { title: 'KIND', value: ({ kind }) => kind },
          { title: 'REPOSITORIES', value: ({ repositories }) => repositories, isWide: true },
          { title: 'SETTINGS', value: ({ settings }) => JSON.stringify(settings), isWide: true },
        ]),
      )
    })
  rule
    .command('immutable <repositories>')
    .description('fix tags once they are set')
    .option('--tags <pattern>', 'only these tags, such as v*')
    .action(async (repositories: string, options: { tags?: string }) => {
      const settings = options.tags === undefined ? {} : { tags: options.tags }
      await add(context, { kind: 'immutable-tags', repositories, settings })
    })
  rule
    .command('retention <repositories>')
    .description('say what is kept; what no rule keeps is deleted once a day')
    .option('--keep-last <number>', 'the tagged images pushed last')
    .option('--pushed-within-days <number>', 'what was pushed within so many days')
    .option('--pulled-within-days <number>', 'what was pulled within so many days')
    .action(async (repositories: string, options: Record<string, string | undefined>) => {
      const number = (text: string | undefined): number | undefined =>
        text === undefined ? undefined : Number(text)
      const settings = {
        keepLast: number(options['keepLast']),
        keepPushedWithinDays: number(options['pushedWithinDays']),
        keepPulledWithinDays: number(options['pulledWithinDays']),
      }
      if (Object.values(settings).every((value) => value === undefined)) {
        throw new CommandError(
          'say what is to be kept: --keep-last, --pushed-within-days or --pulled-within-days',
        )
      }
      await add(context, { kind: 'retention', repositories, settings })
    })
  rule
    .command('remove <id>')
    .description('remove a rule; the first digits of the id will do')
    .action(async (id: string) => {
      const { items } = await context.client().get<{ items: RepositoryRule[] }>('/api/v1/repository-rules')
      await context.client().send('DELETE', `/api/v1/repository-rules/${pick(items, id, 'rule')}`)
      print(`Removed rule ${id}`)
    })
  rule
    .command('apply')
    .description('apply the retention rules now')
    .option('--dry-run', 'only say what would go')
    .action(async (options: { dryRun?: boolean }) => {
      const report = await context
        .client()
        .send<RetentionReport>('POST', '/api/v1/retention/run', { dryRun: options.dryRun === true })
      if (context.isJson()) return printJson(report)
      for (const { repository, digest, tags } of report.deleted)
        print(`${repository}@${shortDigest(digest)} ${tags.join(' ')}`)
      print(`${report.deleted.length} manifests ${report.dryRun ? 'would be ' : ''}deleted`)
    })
}

async function add(
  context: Context,
  body: { kind: string; repositories: string; settings: object },
): Promise<void> {
  const made = await context.client().send<RepositoryRule>('POST', '/api/v1/repository-rules', body)
  if (context.isJson()) return printJson(made)
  print(`Added rule ${made.id.slice(0, 8)} on ${made.repositories}`)
}

function auditCommands(program: Command, context: Context): void {
  const audit = program.command('audit').description('the log of who did what')
  audit
    .command('list')
    .description('newest first')
    .option('-n, --number <number>', 'how many', '50')
    .option('--action <name>', 'only this action')
    .action(async (options: { number: string; action?: string }) => {
      const query = { n: options.number, action: options.action }
      const { items } = await context.client().get<AuditPage>('/api/v1/audit', query)
      if (context.isJson()) return printJson(items)
      print(
        formatTable(items, [
          { title: 'AT', value: ({ at }) => at.slice(0, 19).replace('T', ' ') },
          { title: 'WHO', value: ({ principal }) => principal.replace(/^.*\((.*)\)$/, '$1'), isWide: true },
          { title: 'ACTION', value: ({ action }) => action },
          { title: 'OBJECT', value: ({ object }) => shortDigest(object), isWide: true },
        ]),
      )
    })
  audit
    .command('verify')
    .description('prove that the chain is whole')
    .option('--head <hash>', 'a hash noted earlier, which has to be in the log still')
    .action(async (options: { head?: string }) => {
      const report = await context.client().get<AuditReport>('/api/v1/audit/verify', { head: options.head })
      if (context.isJson()) printJson(report)
      else if (report.intact) print(`The audit log is whole: ${report.entries} entries, head ${report.head}`)
      else print(wrap(`The audit log is BROKEN at entry ${report.broken?.sequence}: ${report.broken?.why}`))
      process.exitCode = report.intact ? exitCodes.pass : exitCodes.policySaysNo
    })
}
