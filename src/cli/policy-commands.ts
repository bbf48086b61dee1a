import type { Command } from 'commander'
import type { BaseImage } from '../baseimages/wire.ts'
import type { CheckBody, EffectiveBody, PolicyBody } from '../policy/wire.ts'
import { CommandError, exitCodes } from './client.ts'
import type { Context } from './commands.ts'
import { exportCommand } from './export-command.ts'
import { policyTestCommand } from './policy-test-command.ts'
import { colour, formatTable, print, printJson, shortDigest, wrap } from './print.ts'
import { readText } from './read-text.ts'

/** The policy, what it makes of images, and approved bases. */
export function policyCommands(program: Command, context: Context): void {
  const policy = program.command('policy').description('what has to hold, by level')
  policy
    .command('show')
    .description('the policy in force')
    .option('--project <name>', 'that of a project')
    .option('--effective <repository>', 'all that holds in a repository, and the level it comes from')
    .action(async (options: { project?: string; effective?: string }) => {
      if (options.effective !== undefined) return showEffective(context, options.effective)
      return showDocument(context, options.project)
    })
  policy
    .command('check <file>')
    .summary('what a policy would change')
    .description('what a policy would change; exit code 1 when an image could no longer be pulled')
    .option('--project <name>', 'it is the policy of this project')
    .action(async (file: string, { project }: { project?: string }) => {
      const result = await context
        .client()
        .send<CheckBody>('POST', `${pathOf(project)}/check`, { document: readText(file) })
      if (context.isJson()) printJson(result)
      else printCheck(result)
      process.exitCode = result.wouldBlock > 0 ? exitCodes.policySaysNo : exitCodes.pass
    })
  policy
    .command('apply <file>')
    .description('apply a policy; every image is judged again')
    .option('--project <name>', 'it is the policy of this project')
    .action(async (file: string, { project }: { project?: string }) => {
      const applied = await context
        .client()
        .send<PolicyBody>('PUT', pathOf(project), { document: readText(file) })
      if (context.isJson()) return printJson(applied)
      const whose = project === undefined ? 'Policy' : `Policy of project ${project},`
      print(`${whose} version ${applied.version} is in force`)
      printWarnings(applied.warnings ?? [])
    })
  policyTestCommand(policy, context)
  exportCommand(policy, context)
  baseCommands(program, context)
}

function pathOf(project: string | undefined): string {
  return project === undefined ? '/api/v1/policy' : `/api/v1/projects/${encodeURIComponent(project)}/policy`
}

async function showDocument(context: Context, project: string | undefined): Promise<void> {
  const found = await context.client().get<PolicyBody>(pathOf(project))
  if (context.isJson()) return printJson(found)
  const unapplied = project === undefined ? 'built in' : 'none was applied'
  print(
    `# version ${found.version}, ${found.appliedBy ? `applied by ${found.appliedBy} at ${found.appliedAt}` : unapplied}`,
  )
  print(found.document.trimEnd())
}

async function showEffective(context: Context, repository: string): Promise<void> {
  const found = await context.client().get<EffectiveBody>('/api/v1/policy/effective', { repository })
  if (context.isJson()) return printJson(found)
  print(`${found.repository}, ${shortDigest(found.digest)}`)
  print(wrap(found.levels.join(' → '), '  '))
  for (const { name, value, level } of found.parts) {
    print(wrap(`${name}: ${showValue(value)}`))
    print(wrap(level, '    '))
  }
}

function showValue(value: unknown): string {
  if (Array.isArray(value)) return value.join(', ')
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([key, member]) => `${key} ${Array.isArray(member) ? `[${member.join(', ')}]` : String(member)}`)
    .join(', ')
}

function printCheck(result: CheckBody): void {
  print(
    wrap(
      `Valid: stages ${result.stages.join(' → ')}. ${result.judged} images judged, ${result.changed} would change`,
    ),
  )
  print(`wouldBlock: ${result.wouldBlock} of ${result.judged}`)
  for (const { level, rule, images } of result.blockers) {
    print(wrap(`${images} ${images === 1 ? 'image' : 'images'}: ${rule} (${level})`, '  '))
  }
  for (const change of result.changes) printChange(change)
  if (result.changed > result.changes.length) {
    print(`and ${result.changed - result.changes.length} more; --json has the same, in full length`)
  }
  printWarnings(result.warnings)
}

function printChange({
  image,
  tags,
  from,
  to,
  because,
  unpullableAt,
  refusedTags,
}: CheckBody['changes'][number]): void {
  print(wrap(`${shortDigest(image)}: ${from} → ${to}`))
  if (tags.length > 0) print(wrap(`tags ${tags.join(', ')}`, '    '))
  if (unpullableAt !== undefined) print(`    cannot be pulled from ${unpullableAt} on`)
  if (refusedTags) print(wrap(`cannot be pulled as ${refusedTags.join(', ')}`, '    '))
  for (const message of because) print(wrap(message, '    '))
}

function printWarnings(warnings: readonly string[]): void {
  for (const warning of warnings) print(wrap(`${colour('yellow', 'warning')}: ${warning}`))
}

function baseCommands(program: Command, context: Context): void {
  const base = program.command('base').description('approved base images')
  base
    .command('list')
    .description('approved bases')
    .action(async () => {
      const { items } = await context.client().get<{ items: BaseImage[] }>('/api/v1/base-images')
      if (context.isJson()) return printJson(items)
      print(
        formatTable(items, [
          { title: 'BASE', value: ({ name, version }) => `${name} ${version}`, isWide: true },
          { title: 'PLATFORM', value: ({ platform }) => platform || '-' },
          { title: 'LAYERS', value: ({ layers }) => String(layers) },
          { title: 'STATE', value: ({ withdrawnAt }) => (withdrawnAt ? 'withdrawn' : 'approved') },
          { title: 'IMAGE', value: ({ image }) => shortDigest(image), isWide: true },
        ]),
      )
    })
  base
    .command('approve <name> <version> <image>')
    .description('approve an image version as a base')
    .action(async (name: string, version: string, image: string) => {
      const added = await context
        .client()
        .send<{ items: BaseImage[] }>('POST', '/api/v1/base-images', { name, version, image })
      if (context.isJson()) return printJson(added.items)
      print(
        `Approved ${name} ${version} (${added.items.length} ${added.items.length === 1 ? 'image' : 'images'})`,
      )
    })
  base
    .command('withdraw <name> <version>')
    .description('withdraw an approval')
    .action(async (name: string, version: string) => {
      const { items } = await context.client().get<{ items: BaseImage[] }>('/api/v1/base-images')
      const found = items.filter(
        (item) => item.name === name && item.version === version && !item.withdrawnAt,
      )
      if (found.length === 0) throw new CommandError(`${name} ${version} is not an approved base`)
      for (const { id } of found) await context.client().send('DELETE', `/api/v1/base-images/${id}`)
      print(`${name} ${version} is no longer approved`)
    })
}
