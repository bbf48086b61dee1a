import { Option, type Command } from 'commander'
import type { CriClient } from '../../agent/serve.ts'
import { CommandError } from '../client.ts'
import type { Context } from '../commands.ts'
import { followLog } from '../containers/follow-log.ts'
import { statusOf } from '../containers/run-command.ts'
import type { RunOptions } from '../containers/run-options.ts'
import { withAgent } from '../containers/use-agent.ts'
import { formatTable, print, printJson } from '../print.ts'
import { findProjectName } from './compose-file.ts'
import { listServices, removeProject, type RunningService } from './project-pods.ts'
import { readProject } from './read-project.ts'
import { startProject } from './start-project.ts'

/** What is longer is shown as several lines. */
const longestLineBytes = 1024 * 1024

interface ProjectOptions {
  readonly file?: string
  readonly projectName?: string
}

interface UpOptions extends ProjectOptions {
  readonly detach?: boolean
  readonly network: RunOptions['network']
  readonly pull: RunOptions['pull']
}

/** `pratique compose`: several containers that belong together, from a compose file, each cleared as any other. */
export function composeCommands(program: Command, context: Context): void {
  const compose = program
    .command('compose')
    .description('containers that belong together, from a compose file')
  const command = (name: string, description: string): Command =>
    compose
      .command(name)
      .description(description)
      .option('-f, --file <file>', 'compose.yaml, docker-compose.yml')
      .option('-p, --project-name <name>', 'instead of that of the file, or of its folder')
  command('up', 'start all that does not run as the file says')
    .option('-d, --detach', 'leave them')
    .addOption(
      new Option('--network <kind>', 'pod: one each; host: that of the machine; none')
        .choices(['pod', 'host', 'none'])
        .default('pod'),
    )
    .addOption(
      new Option('--pull <when>', 'when images are pulled')
        .choices(['missing', 'always', 'never'])
        .default('missing'),
    )
    .action(async (options: UpOptions) => {
      const project = readProject({ ...options, environment: process.env })
      process.exitCode = await withAgent(async (client, socket) => {
        await startProject({ client, socket, say }, project)
        return options.detach ? 0 : stay(client, project.name)
      })
    })
  command('down', 'stop and remove them')
    .option('-t, --time <seconds>', 'how long each has', '10')
    .action(async (options: ProjectOptions & { readonly time: string }) => {
      const name = nameOf(options)
      if (!/^\d{1,6}$/.test(options.time)) throw new CommandError(`--time takes seconds, not ${options.time}`)
      await withAgent((client, socket) => removeProject({ client, socket, say }, name, Number(options.time)))
    })
  command('ps', 'which of them run').action(async (options: ProjectOptions) => {
    const name = nameOf(options)
    const found = await withAgent((client) => listServices(client, name))
    if (context.isJson()) return printJson(found)
    print(
      formatTable(found, [
        { title: 'SERVICE', value: ({ service }) => service },
        { title: 'CONTAINER', value: ({ name: container }) => container, isWide: true },
        { title: 'IMAGE', value: ({ image }) => image.replace(/@sha256:.*/, ''), isWide: true },
        { title: 'STATE', value: ({ state }) => state },
      ]),
    )
  })
  command('logs', 'what they have printed')
    .argument('[service...]')
    .option('--follow', 'and what they will print')
    .action(async (services: string[], options: ProjectOptions & { readonly follow?: boolean }) => {
      const name = nameOf(options)
      await withAgent(async (client) => {
        const found = await listServices(client, name)
        const unknown = services.find((one) => !found.some(({ service }) => service === one))
        if (unknown !== undefined) throw new CommandError(`there is no container of a service ${unknown}`)
        const shown = found.filter(({ service }) => services.length === 0 || services.includes(service))
        await printLogs(client, shown, options.follow ?? false)
      })
    })
}

function nameOf(options: ProjectOptions): string {
  return findProjectName({ ...options, environment: process.env })
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** Shows what they print until all have ended; the first exit code that is not 0 is the command's. */
async function stay(client: CriClient, project: string): Promise<number> {
  const all = await listServices(client, project)
  const stop = (): void => {
    for (const { containerId } of all.toReversed())
      void client.call('StopContainer', { containerId, timeout: 10 }).catch(() => {})
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  await printLogs(client, all, true)
  const codes = await Promise.all(
    all.map(async ({ containerId }) => (await statusOf(client, containerId)).exitCode),
  )
  return codes.find((code) => code !== 0) ?? 0
}

async function printLogs(
  client: CriClient,
  services: readonly RunningService[],
  isFollowed: boolean,
): Promise<void> {
  const width = Math.max(0, ...services.map(({ service }) => service.length))
  const show = async ({ service, containerId }: RunningService): Promise<void> => {
    const { logPath } = await statusOf(client, containerId)
    const isOver = async (): Promise<boolean> =>
      !isFollowed || (await statusOf(client, containerId)).state === 'CONTAINER_EXITED'
    const held = { stdout: Buffer.of(), stderr: Buffer.of() }
    const flush = (stream: 'stdout' | 'stderr'): void => {
      const before = Buffer.from(`${service.padEnd(width)} | `)
      process[stream].write(Buffer.concat([before, held[stream], Buffer.from('\n')]))
      held[stream] = Buffer.of()
    }
    for await (const { stream, content, isPartial } of followLog(logPath, isOver)) {
      held[stream] = Buffer.concat([held[stream], content])
      if (!isPartial || held[stream].length > longestLineBytes) flush(stream)
    }
    for (const stream of ['stdout', 'stderr'] as const) if (held[stream].length > 0) flush(stream)
  }
  // One after another what there is, and all at once what comes.
  if (isFollowed) await Promise.all(services.map(show))
  else for (const one of services) await show(one)
}
