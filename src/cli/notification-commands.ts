import type { Command } from 'commander'
import type {
  DeliveryBody,
  NewSubscription,
  SubscriptionBody,
  SubscriptionWithSecret,
} from '../notifications/wire.ts'
import { CommandError, exitCodes, withQuery } from './client.ts'
import type { Context } from './commands.ts'
import { formatTable, print, printJson, shortDigest, wrap } from './print.ts'

const path = '/api/v1/notifications'

/** Who is told of what, and what came of it. */
export function notificationCommands(program: Command, context: Context): void {
  const notification = program
    .command('notification')
    .description('webhooks and e-mail when something happens')
  listCommand(notification, context)
  addCommand(notification, context)
  changeCommands(notification, context)
  testCommand(notification, context)
  deliveriesCommand(notification, context)
}

function listCommand(notification: Command, context: Context): void {
  notification
    .command('list')
    .description('all subscriptions')
    .action(async () => {
      const items = await subscriptions(context)
      if (context.isJson()) return printJson(items)
      print(
        formatTable(items, [
          { title: 'NAME', value: ({ name }) => name, isWide: true },
          { title: 'KIND', value: ({ kind }) => kind },
          { title: 'STATE', value: stateOf },
          { title: 'EVENTS', value: ({ eventTypes }) => eventTypes.join(','), isWide: true },
          { title: 'REPOSITORIES', value: ({ repositories }) => repositories, isWide: true },
          { title: 'TARGET', value: ({ target }) => target, isWide: true },
        ]),
      )
    })
}

function stateOf({ enabled, pausedUntil }: SubscriptionBody): string {
  if (!enabled) return 'disabled'
  return pausedUntil === undefined ? 'enabled' : 'failing'
}

interface AddOptions {
  readonly webhook?: string
  readonly slack?: string
  readonly email?: string
  readonly events: string
  readonly repositories: string
  readonly minimumSeverity?: NewSubscription['minimumSeverity']
}

function addCommand(notification: Command, context: Context): void {
  notification
    .command('add <name>')
    .description('subscribe: a webhook (CloudEvents, signed), a webhook in the format of Slack, or e-mail')
    .option('--webhook <url>', 'send CloudEvents there')
    .option('--slack <url>', 'send messages in the format of Slack there')
    .option('--email <addresses>', 'send e-mail there')
    .option('--events <patterns>', 'only these events', 'image.quarantined,image.recalled')
    .option('--repositories <pattern>', 'only for these repositories', '**')
    .option('--minimum-severity <severity>', 'only what is at least this severe')
    .action(async (name: string, options: AddOptions) => {
      const made = await context
        .client()
        .send<SubscriptionWithSecret>('POST', path, subscriptionOf(name, options))
      if (context.isJson()) return printJson(made)
      print(`Subscribed ${made.target} to ${made.eventTypes.join(', ')}`)
      if (made.secret !== undefined) printSecret(made.secret)
    })
}

function subscriptionOf(name: string, options: AddOptions): NewSubscription {
  const { webhook, slack, email, minimumSeverity } = options
  if ([webhook, slack, email].filter((target) => target !== undefined).length !== 1)
    throw new CommandError('give one of --webhook, --slack and --email')
  return {
    name,
    kind: email === undefined ? (slack === undefined ? 'cloudevents' : 'slack') : 'email',
    ...(email === undefined ? { url: webhook ?? slack ?? '' } : { addresses: email.split(',') }),
    eventTypes: options.events.split(','),
    repositories: options.repositories,
    ...(minimumSeverity === undefined ? {} : { minimumSeverity }),
  }
}

function printSecret(secret: string): void {
  print(`Its secret, shown this once: ${secret}`)
}

function changeCommands(notification: Command, context: Context): void {
  for (const [verb, enabled] of [
    ['enable', true],
    ['disable', false],
  ] as const) {
    notification
      .command(`${verb} <name>`)
      .description(`${verb} a subscription`)
      .action(async (name: string) => {
        const { id } = await find(context, name)
        const changed = await context.client().send<SubscriptionBody>('PATCH', `${path}/${id}`, { enabled })
        if (context.isJson()) return printJson(changed)
        print(`Subscription ${name} is ${verb}d`)
      })
  }
  notification
    .command('rotate <name>')
    .description('a new secret; both sign while they overlap')
    .option('--overlap-minutes <number>', 'how long the old secret signs as well', '60')
    .action(async (name: string, options: { overlapMinutes: string }) => {
      const { id } = await find(context, name)
      const body = { overlapMinutes: Number(options.overlapMinutes) }
      const rotated = await context
        .client()
        .send<SubscriptionWithSecret>('POST', `${path}/${id}/rotate`, body)
      if (context.isJson()) return printJson(rotated)
      printSecret(rotated.secret ?? '')
    })
  notification
    .command('remove <name>')
    .description('remove a subscription and what it still waits for')
    .action(async (name: string) => {
      const { id } = await find(context, name)
      await context.client().send('DELETE', `${path}/${id}`)
      print(`Removed subscription ${name}`)
    })
}

function testCommand(notification: Command, context: Context): void {
  notification
    .command('test <name>')
    .description('send a test event now; exit code 2 when it does not arrive')
    .action(async (name: string) => {
      const { id } = await find(context, name)
      const delivery = await context.client().send<DeliveryBody>('POST', `${path}/${id}/test`)
      if (context.isJson()) printJson(delivery)
      else print(wrap(`${delivery.state}: ${delivery.status}`))
      process.exitCode = delivery.state === 'delivered' ? exitCodes.pass : exitCodes.error
    })
}

function deliveriesCommand(notification: Command, context: Context): void {
  notification
    .command('deliveries [name]')
    .description('what was sent, newest first, and what came of it')
    .option('--state <state>', 'only waiting, delivered or failed')
    .option('--number <number>', 'how many', '20')
    .action(async (name: string | undefined, options: { state?: string; number: string }) => {
      const subscription = name === undefined ? undefined : (await find(context, name)).id
      const query = { n: options.number, subscription, state: options.state }
      const { items } = await context
        .client()
        .get<{ items: DeliveryBody[] }>(withQuery(`${path}/deliveries`, query))
      if (context.isJson()) return printJson(items)
      for (const delivery of items) printDelivery(delivery)
    })
}

function printDelivery(delivery: DeliveryBody): void {
  const { createdAt, subscription, eventType, subject, state, attempts, status, nextAttemptAt } = delivery
  print(wrap(`${createdAt.slice(0, 19)}Z ${subscription}: ${eventType} ${shortDigest(subject ?? '')}`))
  const next = nextAttemptAt === undefined ? '' : `; next attempt at ${nextAttemptAt.slice(0, 19)}Z`
  print(wrap(`${state} (attempts: ${attempts}) ${status}${next}`, '    '))
}

async function subscriptions(context: Context): Promise<SubscriptionBody[]> {
  return (await context.client().get<{ items: SubscriptionBody[] }>(path)).items
}

async function find(context: Context, name: string): Promise<SubscriptionBody> {
  const found = (await subscriptions(context)).find((subscription) => subscription.name === name)
  if (!found) throw new CommandError(`there is no subscription ${name}`)
  return found
}
