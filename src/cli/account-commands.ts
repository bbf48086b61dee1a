import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import type {
  PersonalToken,
  PersonalTokenWithSecret,
  Robot,
  RobotWithSecret,
  User,
  WhoAmI,
} from '../identity/wire.ts'
import {
  basic,
  Client,
  CommandError,
  readCredentials,
  removeCredentials,
  writeCredentials,
} from './client.ts'
import type { Context } from './commands.ts'
import { formatTable, print, printJson } from './print.ts'

const tokenDays = 30

/** Signing in, users, robots and personal tokens. */
export function accountCommands(program: Command, context: Context): void {
  loginCommands(program, context)
  userCommands(program, context)
  robotCommands(program, context)
  tokenCommands(program, context)
}

function loginCommands(program: Command, context: Context): void {
  program
    .command('login [server]')
    .description('sign in and keep a personal token for the next commands')
    .option('-u, --username <name>', 'name')
    .option('--password-stdin', 'read the password from standard input')
    .action(async (server: string | undefined, options: { username?: string; passwordStdin?: boolean }) => {
      const url = server ?? context.client().server
      const username = options.username ?? process.env['PRATIQUE_USERNAME'] ?? (await ask('Name: '))
      const password = options.passwordStdin
        ? (await readAll(process.stdin)).trimEnd()
        : (process.env['PRATIQUE_PASSWORD'] ?? (await ask('Password: ', true)))
      const client = new Client({ server: url, authorization: basic(username, password) })
      const token = await client.send<PersonalTokenWithSecret>('POST', '/api/v1/tokens', {
        name: 'pratique login',
        expiresInDays: tokenDays,
      })
      writeCredentials({ server: client.server, username, token: token.secret })
      print(`Signed in to ${client.server} as ${username}, for ${tokenDays} days`)
    })

  program
    .command('logout')
    .description('forget the sign-in and revoke its token')
    .action(async () => {
      const stored = readCredentials()
      if (!stored) throw new CommandError('nobody is signed in')
      const client = new Client({ server: stored.server, authorization: `Bearer ${stored.token}` })
      try {
        const { items } = await client.get<{ items: PersonalToken[] }>('/api/v1/tokens')
        for (const { id, name } of items) {
          if (name === 'pratique login') await client.send('DELETE', `/api/v1/tokens/${id}`)
        }
      } finally {
        removeCredentials()
      }
      print(`Signed out of ${stored.server}`)
    })

  program
    .command('whoami')
    .description('who the credential in use belongs to')
    .action(async () => {
      const me = await context.client().get<WhoAmI>('/api/v1/users/me')
      if (context.isJson()) return printJson(me)
      print(`${me.name} (${me.kind}${me.administrator ? ', administrator' : ''}) from ${me.sourceAddress}`)
    })
}

function userCommands(program: Command, context: Context): void {
  const user = program.command('user').description('user accounts')
  user
    .command('list')
    .description('all users')
    .action(async () => {
      const { items } = await context.client().get<{ items: User[] }>('/api/v1/users')
      if (context.isJson()) return printJson(items)
      print(
        formatTable(items, [
          { title: 'NAME', value: ({ name }) => name, isWide: true },
          { title: 'ROLE', value: ({ administrator }) => (administrator ? 'administrator' : 'user') },
          { title: 'STATE', value: ({ disabled }) => (disabled ? 'disabled' : 'active') },
          { title: 'SINCE', value: ({ createdAt }) => createdAt.slice(0, 10) },
        ]),
      )
    })
  user
    .command('add <name>')
    .description('make a user; the password is read from PRATIQUE_NEW_PASSWORD or asked for')
    .option('--administrator', 'may do everything')
    .action(async (name: string, options: { administrator?: boolean }) => {
      const password = await newPassword()
      const administrator = options.administrator === true
      const made = await context
        .client()
        .send<User>('POST', '/api/v1/users', { name, password, administrator })
      if (context.isJson()) return printJson(made)
      print(`Made user ${made.name}`)
    })
  user
    .command('password')
    .description('change the own password')
    .action(async () => {
      const current = process.env['PRATIQUE_PASSWORD'] ?? (await ask('Current password: ', true))
      await context
        .client()
        .send('PUT', '/api/v1/users/me/password', { current, password: await newPassword() })
      print('The password was changed')
    })
  for (const [verb, disabled] of [
    ['disable', true],
    ['enable', false],
  ] as const) {
    user
      .command(`${verb} <name>`)
      .description(`${verb} a user, at once`)
      .action(async (name: string) => {
        const changed = await context
          .client()
          .send<User>('PATCH', `/api/v1/users/${await userId(context, name)}`, { disabled })
        if (context.isJson()) return printJson(changed)
        print(`User ${name} is ${disabled ? 'disabled' : 'active'}`)
      })
  }
  user
    .command('delete <name>')
    .description('delete a user')
    .action(async (name: string) => {
      await context.client().send('DELETE', `/api/v1/users/${await userId(context, name)}`)
      print(`Deleted user ${name}`)
    })
}

function robotCommands(program: Command, context: Context): void {
  const robot = program.command('robot').description('accounts of machines')
  robot
    .command('list')
    .description('all robots')
    .action(async () => {
      const { items } = await context.client().get<{ items: Robot[] }>('/api/v1/robots')
      if (context.isJson()) return printJson(items)
      print(
        formatTable(items, [
          { title: 'LOGIN NAME', value: ({ loginName }) => loginName, isWide: true },
          { title: 'STATE', value: ({ disabled }) => (disabled ? 'disabled' : 'active') },
          { title: 'EXPIRES', value: ({ expiresAt }) => expiresAt?.slice(0, 10) ?? 'never' },
          { title: 'DESCRIPTION', value: ({ description }) => description, isWide: true },
        ]),
      )
    })
  robot
    .command('add <name>')
    .description('make a robot; its secret is shown once')
    .option('--days <number>', 'days until it expires')
    .option('--allow <actions>', 'what it may: pull,push,sign,delete,promote,approve')
    .option('--repositories <pattern>', 'where: a pattern such as dev/**')
    .option('--description <text>', 'what it is for')
    .action(
      async (
        name: string,
        options: { days?: string; allow?: string; repositories?: string; description?: string },
      ) => {
        const made = await context.client().send<RobotWithSecret>('POST', '/api/v1/robots', {
          name,
          ...(options.days === undefined ? {} : { expiresInDays: Number(options.days) }),
          ...(options.allow === undefined ? {} : { actions: options.allow.split(',') }),
          ...(options.repositories === undefined ? {} : { repositories: options.repositories }),
          ...(options.description === undefined ? {} : { description: options.description }),
        })
        showSecret(context, made, `Made robot ${made.loginName}`)
      },
    )
  robot
    .command('rotate <name>')
    .description('give a robot a new secret')
    .option('--overlap-minutes <number>', 'how long the old one still works', '0')
    .action(async (name: string, options: { overlapMinutes: string }) => {
      const overlapMinutes = Number(options.overlapMinutes)
      const id = await robotId(context, name)
      const made = await context
        .client()
        .send<RobotWithSecret>('POST', `/api/v1/robots/${id}/rotate`, { overlapMinutes })
      showSecret(context, made, `Robot ${made.loginName} has a new secret`)
    })
  for (const [verb, disabled] of [
    ['disable', true],
    ['enable', false],
  ] as const) {
    robot
      .command(`${verb} <name>`)
      .description(`${verb} a robot, at once`)
      .action(async (name: string) => {
        const changed = await context
          .client()
          .send<Robot>('PATCH', `/api/v1/robots/${await robotId(context, name)}`, { disabled })
        if (context.isJson()) return printJson(changed)
        print(`Robot ${changed.loginName} is ${disabled ? 'disabled' : 'active'}`)
      })
  }
  robot
    .command('delete <name>')
    .description('delete a robot')
    .action(async (name: string) => {
      await context.client().send('DELETE', `/api/v1/robots/${await robotId(context, name)}`)
      print(`Deleted robot ${name}`)
    })
}

function tokenCommands(program: Command, context: Context): void {
  const token = program.command('token').description('own personal access tokens')
  token
    .command('list')
    .description('own tokens')
    .action(async () => {
      const { items } = await context.client().get<{ items: PersonalToken[] }>('/api/v1/tokens')
      if (context.isJson()) return printJson(items)
      print(
        formatTable(items, [
          { title: 'NAME', value: ({ name }) => name, isWide: true },
          { title: 'MAY', value: ({ actions }) => actions.join(','), isWide: true },
          { title: 'EXPIRES', value: ({ expiresAt }) => expiresAt?.slice(0, 10) ?? 'never' },
          { title: 'LAST USED', value: ({ lastUsedAt }) => lastUsedAt?.slice(0, 10) ?? 'never' },
        ]),
      )
    })
  token
    .command('add <name>')
    .description('make a token; its secret is shown once')
    .option('--days <number>', 'days until it expires')
    .option('--allow <actions>', 'what it may: pull,push,…')
    .action(async (name: string, options: { days?: string; allow?: string }) => {
      const made = await context.client().send<PersonalTokenWithSecret>('POST', '/api/v1/tokens', {
        name,
        ...(options.days === undefined ? {} : { expiresInDays: Number(options.days) }),
        ...(options.allow === undefined ? {} : { actions: options.allow.split(',') }),
      })
      showSecret(context, made, `Made token ${name}`)
    })
  token
    .command('revoke <name>')
    .description('revoke every own token of this name')
    .action(async (name: string) => {
      const { items } = await context.client().get<{ items: PersonalToken[] }>('/api/v1/tokens')
      const mine = items.filter((item) => item.name === name)
      if (mine.length === 0) throw new CommandError(`you have no token ${name}`)
      for (const { id } of mine) await context.client().send('DELETE', `/api/v1/tokens/${id}`)
      print(`Revoked ${mine.length === 1 ? 'token' : `${mine.length} tokens`} ${name}`)
    })
}

function showSecret(context: Context, made: { secret: string }, sentence: string): void {
  if (context.isJson()) return printJson(made)
  print(`${sentence}. Its secret, shown this once:\n${made.secret}`)
}

async function userId(context: Context, name: string): Promise<string> {
  const { items } = await context.client().get<{ items: User[] }>('/api/v1/users')
  const found = items.find((item) => item.name === name)
  if (!found) throw new CommandError(`there is no user ${name}`)
  return found.id
}

async function robotId(context: Context, name: string): Promise<string> {
  const { items } = await context.client().get<{ items: Robot[] }>('/api/v1/robots')
  const found = items.find((item) => item.name === name || item.loginName === name)
  if (!found) throw new CommandError(`there is no robot ${name}`)
  return found.id
}

async function newPassword(): Promise<string> {
  return process.env['PRATIQUE_NEW_PASSWORD'] ?? ask('New password: ', true)
}

/** Asks on the terminal; what is secret is not echoed. */
async function ask(question: string, isSecret = false): Promise<string> {
  if (!process.stdin.isTTY)
    throw new CommandError(`${question.replace(': ', '')} is needed, and there is no terminal to ask on`)
  const lines = createInterface({
    input: process.stdin,
    terminal: true,
    ...(isSecret ? {} : { output: process.stderr }),
  })
  // Only now the terminal echoes nothing by itself: what is typed right after the question stays unseen.
  if (isSecret) process.stderr.write(question)
  const answer = await lines.question(question)
  lines.close()
  if (isSecret) process.stderr.write('\n')
  return answer
}

async function readAll(stream: NodeJS.ReadStream): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return text
}
