import type { Command } from 'commander'
import type { ExceptionBody, ExceptionList, VexImported } from '../exceptions/wire.ts'
import { CommandError } from './client.ts'
import type { Context } from './commands.ts'
import { readText } from './read-text.ts'
import { readUntil } from './read-until.ts'
import { formatTable, print, printJson, shortDigest, wrap } from './print.ts'

const path = '/api/v1/exceptions'

interface ScopeOptions {
  readonly image?: string
  readonly repository?: string
  readonly organisation?: boolean
  readonly package?: string
  readonly base?: string
}

/** `pratique exception`: findings that are judged differently, and VEX documents. */
export function exceptionCommands(program: Command, context: Context): void {
  const exception = program
    .command('exception')
    .summary('findings that are judged differently, with two people and an end')
    .description('findings that are judged differently: asked for, approved by another person, for a time')
  requestCommand(exception, context)
  readingCommands(exception, context)
  decisionCommands(exception, context)
  documentCommands(exception, context)
}

function withScope(command: Command): Command {
  return command
    .option('--image <image>', 'only this image: repository:tag or repository@digest')
    .option('--repository <pattern>', 'this repository, or a pattern such as dev/**')
    .option('--organisation', 'everywhere')
    .option('--package <purl>', 'only this package, such as pkg:npm/minimist or pkg:npm/minimist@1.2.8')
    .option('--base <name[:version]>', 'only what the layers of this base image brought')
}

function scopeOf({ organisation, repository, base, ...options }: ScopeOptions): object {
  const colon = base?.indexOf(':') ?? -1
  const named =
    base === undefined || colon < 0
      ? base && { name: base }
      : { name: base.slice(0, colon), version: base.slice(colon + 1) }
  return {
    ...(options.image === undefined ? {} : { image: options.image }),
    ...(options.package === undefined ? {} : { package: options.package }),
    ...(organisation ? { repositories: '**' } : repository === undefined ? {} : { repositories: repository }),
    ...(named ? { base: named } : {}),
  }
}

function requestCommand(exception: Command, context: Context): void {
  withScope(exception.command('request [vulnerability]'))
    .description('ask for an exception; nothing changes until another person approves it')
    .option('--rule <rule>', 'except from a rule of the policy, such as signatures, in place of findings')
    .option('--clause <name>', 'only from this clause of the rule signatures')
    .option(
      '--status <status>',
      'not_affected, affected (the risk is accepted), fixed or under_investigation',
    )
    .requiredOption('--reason <text>', 'why, for whoever decides')
    .requiredOption('--until <when>', 'a day such as 2026-12-31, or a number of days such as 30d')
    .option('--justification <word>', 'with not_affected: one of the five words of OpenVEX')
    .option('--ticket <text>', 'where it is followed up')
    .action(
      async (
        vulnerability: string | undefined,
        options: ScopeOptions & {
          rule?: string
          clause?: string
          status?: string
          reason: string
          until: string
          justification?: string
          ticket?: string
        },
      ) => {
        const { rule, clause, reason, justification, ticket } = options
        // From a rule there is one status only: the risk is accepted.
        const status = options.status ?? (rule === undefined ? undefined : 'affected')
        if (status === undefined) throw new CommandError('--status is missing')
        const asked = await context.client().send<ExceptionBody>('POST', path, {
          ...(vulnerability === undefined ? {} : { vulnerability }),
          ...(rule === undefined ? {} : { rule }),
          ...(clause === undefined ? {} : { clause }),
          status,
          reason,
          until: readUntil(options.until),
          ...(justification === undefined ? {} : { justification }),
          ...(ticket === undefined ? {} : { ticket }),
          ...scopeOf(options),
        })
        if (context.isJson()) return printJson(asked)
        print(`Asked for: ${asked.id}`)
        print('Another person approves it with: pratique exception approve ID')
      },
    )
}

function readingCommands(exception: Command, context: Context): void {
  exception
    .command('list')
    .description('exceptions that concern what you may pull, the newest first')
    .option('--state <state>', 'requested, approved, rejected, expired or withdrawn')
    .option('--repository <name>', 'only those that hold in this repository')
    .option('--vulnerability <id>', 'only for this vulnerability')
    .option('-n, --number <count>', 'rows at the most', '100')
    .action(
      async ({
        number,
        ...filter
      }: {
        state?: string
        repository?: string
        vulnerability?: string
        number: string
      }) => {
        const found = await context.client().get<ExceptionList>(path, { ...filter, n: number })
        if (context.isJson()) return printJson(found)
        if (found.items.length === 0) return print('none')
        print(
          formatTable(found.items, [
            { title: 'ID', value: ({ id }) => id },
            { title: 'FROM', value: showSubject, isWide: true },
            { title: 'STATE', value: ({ state }) => state },
            { title: 'WHERE', value: showScope, isWide: true },
            { title: 'UNTIL', value: ({ until }) => until.slice(0, 10) },
          ]),
        )
        if (found.next !== undefined) print('and more; --number shows them')
      },
    )
  exception
    .command('show <id>')
    .description('one exception')
    .action(async (id: string) => {
      const found = await context.client().get<ExceptionBody>(`${path}/${encodeURIComponent(id)}`)
      if (context.isJson()) return printJson(found)
      for (const line of describe(found)) print(wrap(line))
    })
}

function describe(found: ExceptionBody): string[] {
  const { justification, ticket, decision, end, source, aliases } = found
  return [
    `${showSubject(found)}${aliases.length > 0 ? ` (${aliases.join(', ')})` : ''}: ${found.state}`,
    `${found.status}${justification === undefined ? '' : ` because ${justification}`}: ${found.reason}`,
    `Where: ${showScope(found)}`,
    ...(found.products ?? []).map(({ id, subcomponents }) => `Product: ${[id, ...subcomponents].join(', ')}`),
    `Until: ${found.until}`,
    `Asked for by ${found.requestedBy} at ${found.requestedAt}${ticket === undefined ? '' : `, ${ticket}`}`,
    ...(source ? [`From a document by ${source.author}, ${source.digest}`] : []),
    ...(decision
      ? [
          `Decided by ${decision.by} at ${decision.at}${decision.reason === undefined ? '' : `: ${decision.reason}`}`,
        ]
      : []),
    ...(end ? [`Ended by ${end.by} at ${end.at}${end.reason === undefined ? '' : `: ${end.reason}`}`] : []),
  ]
}

function showSubject({ vulnerability, rule, clause }: ExceptionBody): string {
  return vulnerability ?? `rule ${rule}${clause === undefined ? '' : `: ${clause}`}`
}

function showScope({ repositories, digest, package: purl, base }: ExceptionBody): string {
  return [
    repositories === '**' ? 'everywhere' : repositories,
    ...(digest === undefined ? [] : [shortDigest(digest)]),
    ...(purl === undefined ? [] : [purl]),
    ...(base === undefined
      ? []
      : [`base ${base.name}${base.version === undefined ? '' : ` ${base.version}`}`]),
  ].join(' · ')
}

function decisionCommands(exception: Command, context: Context): void {
  for (const [verb, description, done] of [
    ['approve', 'approve what another person asked for', 'Approved'],
    ['reject', 'refuse what somebody asked for', 'Rejected'],
    ['withdraw', 'take an exception back', 'Withdrawn'],
  ] as const) {
    const command = exception.command(`${verb} <id>`).description(description)
    if (verb === 'approve') command.option('--reason <text>', 'why')
    else command.requiredOption('--reason <text>', 'why')
    command.action(async (id: string, { reason }: { reason?: string }) => {
      const decided = await context
        .client()
        .send<ExceptionBody>(
          'POST',
          `${path}/${encodeURIComponent(id)}/${verb}`,
          reason === undefined ? {} : { reason },
        )
      if (context.isJson()) return printJson(decided)
      const as = decided.rule === undefined ? ` as ${decided.status}` : ''
      print(`${done}: ${showSubject(decided)}${as}, ${showScope(decided)}`)
    })
  }
}

function documentCommands(exception: Command, context: Context): void {
  withScope(exception.command('import <file>'))
    .description('ask for what a VEX document says (OpenVEX, CycloneDX, CSAF); another person approves')
    .requiredOption('--until <when>', 'a day such as 2026-12-31, or a number of days such as 30d')
    .option('--ticket <text>', 'where it is followed up')
    .action(async (file: string, options: ScopeOptions & { until: string; ticket?: string }) => {
      const imported = await context.client().send<VexImported>('POST', `${path}/import`, {
        document: readText(file),
        until: readUntil(options.until),
        ...(options.ticket === undefined ? {} : { ticket: options.ticket }),
        ...scopeOf(options),
      })
      if (context.isJson()) return printJson(imported)
      const { items, known, skipped, author } = imported
      print(`Asked for ${items.length} exceptions of a document by ${author}, ${known} were recorded before`)
      for (const { id, vulnerability, status } of items) print(`${id} ${vulnerability} ${status}`)
      for (const { what, why } of skipped) print(wrap(`left out ${what}: ${why}`, '  '))
    })
  exception
    .command('export <image>')
    .description('what is known of an image as a VEX document')
    .option('--format <format>', 'openvex, cyclonedx or csaf', 'openvex')
    .action(async (image: string, { format }: { format: string }) => {
      printJson(await context.client().get<object>(`${path}/export`, { image, format }))
    })
}
