import type { Command } from 'commander'
import type { ImageList, InspectBody, VerdictBody } from '../policy/wire.ts'
import type { PromotionBody } from '../promotion/wire.ts'
import { CommandError, exitCodes, ProblemError } from './client.ts'
import type { Context } from './commands.ts'
import { showNodeImages } from './containers/node-images.ts'
import { colour, formatBytes, formatTable, print, printJson, shortDigest, wrap } from './print.ts'

interface Reason {
  readonly rule: string
  readonly outcome: string
  readonly message: string
  readonly level?: string
  readonly mode?: string
  readonly exception?: {
    readonly id: string
    readonly reason: string
    readonly approvedBy: string
    readonly until: string
  }
}

/** Looking at images, and moving them on or holding them back. */
export function imageCommands(program: Command, context: Context): void {
  program
    .command('images')
    .description('images with their verdicts')
    .option('--repository <pattern>', 'only these repositories, such as prod/**')
    .option('--verdict <state>', 'only pending, cleared, recalled or quarantined')
    .option('--node', 'those on this node instead, as its agent has them')
    .action(async (options: { repository?: string; verdict?: string; node?: boolean }) => {
      if (options.node) return showNodeImages(context)
      const items = await listAll(context, options)
      if (context.isJson()) return printJson(items)
      print(
        formatTable(items, [
          {
            title: 'IMAGE',
            value: ({ repository, tags, digest }) =>
              `${repository}${tags[0] ? `:${tags[0]}` : `@${shortDigest(digest)}`}`,
            isWide: true,
          },
          { title: 'VERDICT', value: ({ verdict }) => verdict },
          {
            title: 'CRIT/HIGH/MED',
            value: ({ findings }) =>
              ['critical', 'high', 'medium'].map((name) => findings[name] ?? 0).join('/'),
          },
          { title: 'BASE', value: ({ base }) => base, isWide: true },
          { title: 'SIZE', value: ({ sizeBytes }) => formatBytes(sizeBytes) },
        ]),
      )
    })

  program
    .command('inspect <image>')
    .description('all that is known of an image')
    .action(async (image: string) => {
      const found = await context.client().get<InspectBody>('/api/v1/images/inspect', { image })
      if (context.isJson()) return printJson(found)
      printInspection(found)
    })

  program
    .command('promote <image>')
    .description('promote an image to a later stage')
    .requiredOption('--to <stage>', 'the stage, such as staging or prod')
    .option('--dry-run', 'only say what would happen')
    .action(async (image: string, options: { to: string; dryRun?: boolean }) => {
      const result = await promote(context, image, options.to, options.dryRun === true)
      if (context.isJson()) printJson(result)
      else printPromotion(result)
      const isUndecided = !result.reasons.some(
        ({ outcome, mode, exception }) => outcome === 'fail' && mode === undefined && !exception,
      )
      if (result.outcome === 'refused') {
        process.exitCode = isUndecided ? exitCodes.undetermined : exitCodes.policySaysNo
      } else process.exitCode = exitCodes.pass
    })

  for (const verb of ['quarantine', 'release'] as const) {
    program
      .command(`${verb} <image>`)
      .description(
        verb === 'quarantine' ? 'hold an image back everywhere' : 'let an image through in its repository',
      )
      .requiredOption('--reason <text>', 'why; it is kept in the audit log')
      .action(async (image: string, options: { reason: string }) => {
        const verdict = await context
          .client()
          .send<VerdictBody>('POST', `/api/v1/${verb}`, { image, reason: options.reason })
        if (context.isJson()) printJson(verdict)
        else printVerdict(verdict)
      })
  }
}

async function listAll(
  context: Context,
  filter: { repository?: string; verdict?: string },
): Promise<ImageList['items']> {
  const items: ImageList['items'] = []
  let last: string | undefined
  do {
    const page: ImageList = await context
      .client()
      .get<ImageList>('/api/v1/images', { ...filter, last, n: '500' })
    items.push(...page.items)
    last = page.next
  } while (last !== undefined)
  return items
}

async function promote(context: Context, image: string, to: string, dryRun: boolean): Promise<PromotionBody> {
  try {
    return await context.client().send<PromotionBody>('POST', '/api/v1/promotions', { image, to, dryRun })
  } catch (error) {
    // A refusal by rules is an answer, with each rule in its context.
    const isRefusal = error instanceof ProblemError && error.problem.code === 'PROMOTION_REFUSED'
    if (isRefusal && error.problem.context) return error.problem.context as PromotionBody
    if (error instanceof ProblemError && error.problem.status === 403) {
      throw new CommandError(error.message, exitCodes.policySaysNo)
    }
    throw error
  }
}

function printPromotion(result: PromotionBody): void {
  const isRefused = result.outcome === 'refused'
  print(
    `${colour(isRefused ? 'red' : 'green', result.outcome)}: ${shortDigest(result.source)} → ${shortDigest(result.target)}`,
  )
  if (!isRefused) print(`${result.manifests} manifests, linked by digest`)
  printReasons(result.reasons)
}

function printReasons(reasons: readonly Reason[]): void {
  for (const reason of reasons) {
    const level = reason.level === undefined ? '' : ` (${reason.level})`
    print(`  ${markOf(reason)}  ${reason.rule}${level}`)
    print(wrap(reason.message, '        '))
    const { exception } = reason
    if (exception) {
      const { approvedBy, until, id } = exception
      const by = `does not count until ${until.slice(0, 10)}, approved by ${approvedBy}: ${exception.reason} (${id})`
      print(wrap(by, '        '))
    }
  }
}

/** What became of a rule; `warn`, `note` and `exc.` (an exception) are not met and do not count. */
export function markOf({ outcome, mode, exception }: Pick<Reason, 'outcome' | 'mode' | 'exception'>): string {
  if (outcome === 'pass') return colour('green', 'pass')
  if (exception) return colour('yellow', 'exc.')
  if (mode !== undefined) return colour('yellow', mode === 'warn' ? 'warn' : 'note')
  return outcome === 'fail'
    ? colour('red', 'FAIL')
    : colour('yellow', outcome === 'undetermined' ? 'open' : outcome)
}

function printVerdict(verdict: VerdictBody): void {
  const name = verdict.state === 'cleared' ? 'green' : verdict.state === 'pending' ? 'yellow' : 'red'
  print(`\n${shortDigest(verdict.image)} is ${colour(name, verdict.state)}`)
  if (verdict.graceUntil) print(`it can still be pulled until ${verdict.graceUntil}`)
  printReasons(verdict.reasons)
}

function printInspection({
  image,
  verdict,
  platforms,
  layers,
  base,
  signatures,
  referrers,
}: InspectBody): void {
  print(colour('bold', `${image.repository}@${image.digest}`))
  const baseName = base.name === undefined ? 'unknown base' : `${base.name} ${base.version} (${base.status})`
  const lines: [string, string][] = [
    ['tags', image.tags.join(', ') || '-'],
    ['kind', image.kind],
    ['size', formatBytes(image.sizeBytes)],
    ['pushed', image.pushedAt],
    ['base', `${baseName}${base.newer ? `; ${base.newer} is newer` : ''}`],
    [
      'signatures',
      `${signatures.status}${signatures.signers.length > 0 ? ` (${signatures.signers.join(', ')})` : ''}`,
    ],
    [
      'findings',
      Object.entries(image.findings)
        .map(([name, count]) => `${count} ${name}`)
        .join(', ') || 'none',
    ],
    ['platforms', platforms.map(({ platform }) => platform ?? 'one').join(', ')],
  ]
  for (const [name, value] of lines) print(`${name.padEnd(12)}${value}`)
  for (const { digest, instruction } of layers)
    print(wrap(`layer ${shortDigest(digest)} ${instruction ?? ''}`, '  '))
  for (const { digest, artifactType } of referrers) print(`  refers: ${shortDigest(digest)} ${artifactType}`)
  printVerdict(verdict)
}
