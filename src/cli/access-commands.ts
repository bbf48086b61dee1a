import type { Command } from 'commander'
import type { Explanation, NetworkRule, Project, RoleBinding } from '../identity/wire.ts'
import { CommandError, exitCodes } from './client.ts'
import type { Context } from './commands.ts'
import { formatTable, print, printJson, wrap } from './print.ts'

/** Projects, rights and network rules. */
export function accessCommands(program: Command, context: Context): void {
  projectCommands(program, context)
  grantCommands(program, context)
  networkRuleCommands(program, context)
  program
    .command('explain <account> <action> <repository>')
    .description('whether an account may do something, and which rule decides')
    .option('--from <address>', 'the address it comes from', '127.0.0.1')
    .action(async (principal: string, action: string, repository: string, options: { from: string }) => {
      const body = { principal, action, repository, sourceAddress: options.from }
      const decision = await context.client().send<Explanation>('POST', '/api/v1/authorize/explain', body)
      if (context.isJson()) printJson(decision)
      else print(wrap(`${decision.allowed ? 'allowed' : 'denied'}: ${decision.rule}`))
      process.exitCode = decision.allowed ? exitCodes.pass : exitCodes.policySaysNo
    })
}

function projectCommands(program: Command, context: Context): void {
  const project = program.command('project').description('projects: the first part of repository names')
  project
    .command('list')
    .description('all projects')
    .action(async () => {
      const { items } = await context.client().get<{ items: Project[] }>('/api/v1/projects')
      if (context.isJson()) return printJson(items)
      print(
        formatTable(items, [
          { title: 'NAME', value: ({ name }) => name, isWide: true },
          { title: 'ANONYMOUS PULL', value: ({ anonymousPull }) => (anonymousPull ? 'yes' : 'no') },
          { title: 'SINCE', value: ({ createdAt }) => createdAt.slice(0, 10) },
        ]),
      )
    })
  project
    .command('add <name>')
    .description('make a project')
    .option('--anonymous-pull', 'everybody may pull, without an account')
    .action(async (name: string, options: { anonymousPull?: boolean }) => {
      const anonymousPull = options.anonymousPull === true
      const made = await context.client().send<Project>('POST', '/api/v1/projects', { name, anonymousPull })
      if (context.isJson()) return printJson(made)
      print(`Made project ${name}`)
    })
  for (const [verb, anonymousPull] of [
    ['open', true],
    ['close', false],
  ] as const) {
    project
      .command(`${verb} <name>`)
      .description(`${verb} a project ${anonymousPull ? 'to' : 'for'} anonymous pulls`)
      .action(async (name: string) => {
        const changed = await context
          .client()
          .send<Project>('PATCH', `/api/v1/projects/${name}`, { anonymousPull })
        if (context.isJson()) return printJson(changed)
        print(`Anonymous pulls from ${name} are ${anonymousPull ? 'allowed' : 'refused'}`)
      })
  }
  project
    .command('delete <name>')
    .description('delete a project without repositories')
    .action(async (name: string) => {
      await context.client().send('DELETE', `/api/v1/projects/${name}`)
      print(`Deleted project ${name}`)
    })
}

function grantCommands(program: Command, context: Context): void {
  const grant = program.command('grant').description('who may do what')
  grant
    .command('list')
    .description('all role bindings')
    .action(async () => {
      const { items } = await context.client().get<{ items: RoleBinding[] }>('/api/v1/role-bindings')
      if (context.isJson()) return printJson(items)
      print(
        formatTable(items, [
          { title: 'ID', value: ({ id }) => id.slice(0, 8) },
          { title: 'ACCOUNT', value: ({ principal }) => principal, isWide: true },
          { title: 'MAY', value: ({ actions }) => actions.join(','), isWide: true },
          { title: 'PROJECT', value: ({ project }) => project ?? 'every' },
          { title: 'REPOSITORIES', value: ({ repositories }) => repositories, isWide: true },
        ]),
      )
    })
  grant
    .command('add <account> <actions>')
    .description('give rights: pull,push,sign,delete,promote,approve,admin')
    .option('--project <name>', 'only in this project')
    .option('--repositories <pattern>', 'only in these repositories', '**')
    .action(
      async (principal: string, actions: string, options: { project?: string; repositories: string }) => {
        const body = { principal, actions: actions.split(','), ...options }
        const made = await context.client().send<RoleBinding>('POST', '/api/v1/role-bindings', body)
        if (context.isJson()) return printJson(made)
        print(`${principal} may ${actions} on ${options.repositories}`)
      },
    )
  grant
    .command('remove <id>')
    .description('take rights away; the first digits of the id will do')
    .action(async (id: string) => {
      const { items } = await context.client().get<{ items: RoleBinding[] }>('/api/v1/role-bindings')
      await context.client().send('DELETE', `/api/v1/role-bindings/${pick(items, id, 'role binding')}`)
      print(`Removed role binding ${id}`)
    })
}

function networkRuleCommands(program: Command, context: Context): void {
  const rule = program
    .command('network-rule')
    .description('from where who may do what; the first match decides')
  rule
    .command('list')
    .description('rules in their order')
    .action(async () => {
      const { items } = await context.client().get<{ items: NetworkRule[] }>('/api/v1/network-rules')
      if (context.isJson()) return printJson(items)
      for (const { position, id, effect, condition, comment } of items) {
        const parts = Object.entries(condition).map(([name, values]) => `${name} ${values.join(',')}`)
        print(
          wrap(
            `${position}. ${id.slice(0, 8)} ${effect} ${parts.join('; ')}${comment ? ` (${comment})` : ''}`,
          ),
        )
      }
    })
  rule
    .command('add <effect>')
    .description('add a rule: allow or deny')
    .option('--accounts <names>', 'only for these accounts')
    .option('--actions <actions>', 'only for these actions')
    .option('--repositories <patterns>', 'only in these repositories')
    .option('--from <ranges>', 'only from these address ranges')
    .option('--not-from <ranges>', 'only from outside these address ranges')
    .option('--comment <text>', 'what it is for')
    .option('--position <number>', 'place in the order')
    .action(async (effect: string, options: Record<string, string | undefined>) => {
      const list = (text: string | undefined): string[] | undefined => text?.split(',')
      const condition = {
        principals: list(options['accounts']),
        actions: list(options['actions']),
        repositories: list(options['repositories']),
        from: list(options['from']),
        notFrom: list(options['notFrom']),
      }
      const made = await context.client().send<NetworkRule>('POST', '/api/v1/network-rules', {
        effect,
        condition,
        comment: options['comment'],
        position: options['position'] === undefined ? undefined : Number(options['position']),
      })
      if (context.isJson()) return printJson(made)
      print(`Added network rule ${made.position} (${made.id.slice(0, 8)})`)
    })
  rule
    .command('remove <id>')
    .description('remove a rule; the first digits of the id will do')
    .action(async (id: string) => {
      const { items } = await context.client().get<{ items: NetworkRule[] }>('/api/v1/network-rules')
      await context.client().send('DELETE', `/api/v1/network-rules/${pick(items, id, 'network rule')}`)
      print(`Removed network rule ${id}`)
    })
}

/** The one whose id begins like this. */
export function pick(items: readonly { id: string }[], start: string, what: string): string {
  const found = items.filter(({ id }) => id.startsWith(start))
  if (found.length === 1) return (found[0] as { id: string }).id
  throw new CommandError(
    `${found.length === 0 ? 'no' : 'more than one'} ${what} has an id that begins with ${start}`,
  )
}
