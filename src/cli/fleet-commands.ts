import { hostname } from 'node:os'
import type { Command } from 'commander'
import type { NodeBody, NodeToken, RunningBody } from '../runtime/wire.ts'
import { CommandError } from './client.ts'
import type { Context } from './commands.ts'
import { colour, formatTable, print, printJson, wrap } from './print.ts'

const defaultConfigPath = '/etc/pratique/node.json'

/** `pratique node token|enrol`: how a node joins the server. */
export function enrolCommands(node: Command, context: Context): void {
  node
    .command('token')
    .description('make leave to enrol one node; the token is shown once')
    .option('--label <name=value...>', 'labels that the node will have')
    .option('--minutes <number>', 'how long it is good, a day at most', '60')
    .action(async ({ label = [], minutes }: { label?: string[]; minutes: string }) => {
      const labels = Object.fromEntries(label.map(readLabel))
      const body = { labels, lifetimeMinutes: Number(minutes) }
      const made = await context.client().send<NodeToken>('POST', '/api/v1/node-tokens', body)
      if (context.isJson()) return printJson(made)
      print(made.token)
      process.stderr.write(`It is good once, until ${new Date(made.expiresAt).toISOString()}\n`)
    })
  node
    .command('enrol')
    .description('enrol this node by a token: mutual TLS, and reports from then on')
    .requiredOption('--nodes-url <url>', 'https address that the server prints for nodes')
    .requiredOption('--token <token>', 'as pratique node token printed it')
    .option('--name <name>', 'of this node', hostname().toLowerCase())
    .option('--config <file>', `node.json (${defaultConfigPath})`)
    .action(async (options: { nodesUrl: string; token: string; name: string; config?: string }) => {
      const { CriFailure, enrol, enrolmentFolder } = await import('../agent/serve.ts')
      const path = options.config ?? process.env['PRATIQUE_NODE_CONFIG'] ?? defaultConfigPath
      const { nodesUrl: server, token, name } = options
      try {
        const { expiresAt } = await enrol({ server, token, name, folder: enrolmentFolder(path) })
        if (context.isJson()) return printJson({ name, server, expiresAt })
        print(`This node is enrolled as ${name}; its certificate is renewed by the agent`)
        print('Start the agent again, so that it reports: pratique node serve')
      } catch (error) {
        throw error instanceof CriFailure ? new CommandError(error.message) : error
      }
    })
}

/** `pratique nodes|running`: nodes as the server knows them. */
export function fleetCommands(program: Command, context: Context): void {
  const nodes = program.command('nodes').description('enrolled nodes and their runtimes')
  nodes
    .command('list', { isDefault: true })
    .description('every node with its runtimes')
    .action(async () => {
      const { items } = await context.client().get<{ items: NodeBody[] }>('/api/v1/nodes')
      if (context.isJson()) return printJson(items)
      print(
        formatTable(items, [
          { title: 'NODE', value: ({ name }) => name, isWide: true },
          { title: 'SEEN', value: ({ lastSeenAt }) => ago(lastSeenAt) },
          { title: 'RUNS', value: ({ runningContainers }) => String(runningContainers) },
          {
            title: 'RUNTIMES',
            value: ({ runtimes }) =>
              runtimes.map(({ handler, state }) => (state === 'broken' ? `${handler}!` : handler)).join(' '),
            isWide: true,
          },
        ]),
      )
    })
  nodes
    .command('show')
    .description('a node, runtime by runtime')
    .argument('<name>')
    .action(async (name: string) => {
      const node = await context.client().get<NodeBody>(`/api/v1/nodes/${encodeURIComponent(name)}`)
      if (context.isJson()) return printJson(node)
      print(`${node.name}, agent ${node.agentVersion ?? 'not heard of yet'}, seen ${ago(node.lastSeenAt)}`)
      print(
        `certificate until ${new Date(node.certificateExpiresAt).toISOString()}, ${node.runningContainers} containers`,
      )
      print(
        formatTable(node.runtimes, [
          { title: 'HANDLER', value: ({ handler }) => handler },
          {
            title: 'RUNTIME',
            value: ({ runtime, version }) => `${runtime} ${version ?? ''}`.trim(),
            isWide: true,
          },
          { title: 'ISOLATION', value: ({ isolation }) => isolation ?? 'unknown' },
          { title: 'STATE', value: ({ state }) => state },
          {
            title: 'START',
            value: ({ startMs }) => (startMs === undefined ? '' : `${Math.round(startMs)} ms`),
          },
        ]),
      )
    })
  nodes
    .command('remove')
    .description('take the certificate of a node away at once')
    .argument('<name>')
    .action(async (name: string) => {
      await context.client().send('DELETE', `/api/v1/nodes/${encodeURIComponent(name)}`)
      print(`${name} is removed; what it says is not believed any more`)
    })
  program
    .command('running')
    .description('what runs on nodes, and whether it is cleared now')
    .option('--not-cleared', 'only what is no longer cleared')
    .action(async ({ notCleared = false }: { notCleared?: boolean }) => {
      const query = notCleared ? { notCleared: 'true' } : {}
      const { items } = await context.client().get<{ items: RunningBody[] }>('/api/v1/running', query)
      if (context.isJson()) return printJson(items)
      print(
        formatTable(items, [
          { title: 'NODE', value: ({ node }) => node, isWide: true },
          { title: 'POD', value: ({ pod }) => pod, isWide: true },
          {
            title: 'IMAGE',
            value: ({ repository, digest }) => `${repository}@${digest.slice(7, 19)}`,
            isWide: true,
          },
          { title: 'CLEARED', value: ({ isCleared }) => (isCleared ? 'yes' : colour('red', 'NO')) },
        ]),
      )
      for (const { pod, reasons } of items.filter(({ isCleared }) => !isCleared)) {
        print(wrap(`${pod}: ${reasons.join('; ')}`, '  '))
      }
    })
}

function readLabel(text: string): readonly [string, string] {
  const at = text.indexOf('=')
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
  throw new CommandError(`--label takes name=value, not ${text}`)
}

function ago(time: number | undefined): string {
  if (time === undefined) return 'never'
  const seconds = Math.max(0, Math.round((Date.now() - time) / 1_000))
  return seconds < 120
    ? `${seconds} s ago`
    : seconds < 7_200
      ? `${Math.round(seconds / 60)} min ago`
      : new Date(time).toISOString().slice(0, 16)
}
