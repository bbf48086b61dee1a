import { mkdirSync } from 'node:fs'
import { isatty } from 'node:tty'
import { join } from 'node:path'
import { Option, type Command } from 'commander'
import type { ContainerStatus, CriClient, LocalStreams } from '../../agent/serve.ts'
import { CommandError } from '../client.ts'
import { print } from '../print.ts'
import { followLog, printLine } from './follow-log.ts'
import { logsFolder, removeLogs } from './pod-logs.ts'
import { pullImage } from './pull-image.ts'
import { annotationsOf, containerConfig, podConfig, type RunOptions } from './run-options.ts'
import { listContainers, withAgent } from './use-agent.ts'

const pollMs = 100
const list = (value: string, before: readonly string[] = []): string[] => [...before, value]

/** `pratique run`: one container in a pod of its own, cleared, pulled, started and waited for. */
export function runCommand(program: Command): void {
  program
    .command('run')
    .description('run a container on this node, from an image that is cleared')
    .argument('<image>')
    .argument('[command...]')
    .passThroughOptions()
    .option('-d, --detach', 'print its id and leave it')
    .option('--name <name>', 'how it is called; made up when not given')
    .option('-e, --env <name=value>', 'a variable; a name alone passes on', list)
    .option('--env-file <file>', 'variables, one a line')
    .option('-v, --volume <paths>', '/host/path:/container/path[:ro]', list)
    .option('-p, --publish <ports>', '[address:]port:port[/udp]', list)
    .option('-w, --workdir <path>', 'folder that it begins in')
    .option('-u, --user <user[:group]>', 'name or number')
    .option('--entrypoint <program>', 'instead of that of the image')
    .option('--hostname <name>', 'as it sees itself')
    .option('--memory <size>', 'most memory, such as 512m')
    .option('--cpus <number>', 'most processors, such as 0.5')
    .option('--read-only', 'its own files cannot be written')
    .option('--cap-add <name>', 'capability that it gets', list)
    .option('--cap-drop <name>', 'capability that it does not get, or ALL', list)
    .option('--privileged', 'all that the machine may')
    .addOption(
      new Option('--network <kind>', 'pod: its own; host: that of the machine; none')
        .choices(['pod', 'host', 'none'])
        .default('pod'),
    )
    .option('--handler <name>', 'runtime, as pratique runtimes names it')
    .option('--isolation <level>', 'strong, process, user-space-kernel, virtual-machine')
    .addOption(new Option('--performance <need>', 'best: the fastest runtime').choices(['best']))
    .option('--wasm', 'a runtime for WebAssembly')
    .option('--rm', 'remove it when it ends')
    .option('-i, --interactive', 'pass standard input on')
    .option('-t, --tty', 'give it a terminal')
    .option('--label <name=value>', 'label', list)
    .addOption(
      new Option('--pull <when>', 'when the image is pulled')
        .choices(['missing', 'always', 'never'])
        .default('missing'),
    )
    .action(async (image: string, command: string[], options: RunOptions) => {
      process.exitCode = await withAgent((client, socket) => run(client, socket, image, command, options))
    })
}

async function run(
  client: CriClient,
  socket: string,
  image: string,
  command: readonly string[],
  options: RunOptions,
): Promise<number> {
  const name = await nameOf(client, options.name)
  const { imageRef, isolation } = await bringImage(client, socket, image, options)
  const asked: RunOptions = isolation !== '' && !options.handler ? { isolation, ...options } : options
  const sandboxConfig = podConfig(asked, name, logsFolder(socket))
  const { podSandboxId } = await client.call('RunPodSandbox', {
    config: sandboxConfig,
    runtimeHandler: options.handler ?? '',
  })
  try {
    mkdirSync(sandboxConfig.logDirectory, { recursive: true, mode: 0o755 })
    const config = containerConfig(asked, name, { ref: imageRef, named: image }, command)
    const { containerId } = await client.call('CreateContainer', { podSandboxId, config, sandboxConfig })
    await client.call('StartContainer', { containerId })
    if (options.detach) {
      print(containerId)
      return 0
    }
    const exitCode = await stay(client, containerId, join(sandboxConfig.logDirectory, `${name}.log`), options)
    if (options.rm) await removePod(client, socket, podSandboxId)
    return exitCode
  } catch (error) {
    // What did not start is not left lying about.
    await removePod(client, socket, podSandboxId).catch(() => {})
    throw error
  }
}

/** And the log of what was in it. */
export async function removePod(client: CriClient, socket: string, podSandboxId: string): Promise<void> {
  // One that is gone already is no failure, here as in the calls that follow.
  const found = await client.call('PodSandboxStatus', { podSandboxId }).catch(() => undefined)
  await client.call('StopPodSandbox', { podSandboxId })
  await client.call('RemovePodSandbox', { podSandboxId })
  if (found?.status?.metadata) removeLogs(socket, found.status.metadata)
}

async function nameOf(client: CriClient, wanted: string | undefined): Promise<string> {
  if (wanted === undefined) return `run-${crypto.randomUUID().slice(0, 8)}`
  if (!/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/.test(wanted)) {
    throw new CommandError(`--name takes small letters, digits, - and . only, not ${JSON.stringify(wanted)}`)
  }
  const taken = (await listContainers(client)).find(({ name }) => name === wanted)
  if (!taken) return wanted
  throw new CommandError(`there is a container ${wanted} already; remove it with: pratique rm ${wanted}`)
}

/** The image as it is here, or as it was pulled: its id, and how well the policy wants it isolated. */
export async function bringImage(client: CriClient, socket: string, image: string, options: RunOptions) {
  if (options.pull !== 'always') {
    const { image: here, info } = await client.call('ImageStatus', { image: { image }, verbose: true })
    if (here) return { imageRef: here.id, isolation: info['isolation'] ?? '' }
    if (options.pull === 'never')
      throw new CommandError(`there is no image ${image} on this node, and --pull is never`)
  }
  return pullImage(socket, image, { handler: options.handler, annotations: annotationsOf(options) })
}

async function stay(
  client: CriClient,
  containerId: string,
  logPath: string,
  options: RunOptions,
): Promise<number> {
  const interrupt = (): void =>
    void client.call('StopContainer', { containerId, timeout: 10 }).catch(() => {})
  process.once('SIGTERM', interrupt)
  const isOver = async (): Promise<boolean> =>
    (await statusOf(client, containerId)).state === 'CONTAINER_EXITED'
  const printAll = async (): Promise<void> => {
    for await (const line of followLog(logPath, isOver)) printLine(line)
  }
  if (options.interactive || options.tty) {
    await attachTo(client, containerId, options).catch(async (error: unknown) => {
      // It was over before anybody was there; then its log has all that it said.
      if (!(await isOver())) throw error
      await printAll()
    })
  } else {
    process.once('SIGINT', interrupt)
    await printAll()
  }
  for (;;) {
    const status = await statusOf(client, containerId)
    if (status.state === 'CONTAINER_EXITED') {
      if (status.reason === 'OOMKilled')
        process.stderr.write('pratique: it took more memory than it may (OOMKilled)\n')
      return status.exitCode
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

/** Throws `CommandError` when it is gone. */
export async function statusOf(client: CriClient, containerId: string): Promise<ContainerStatus> {
  const { status } = await client.call('ContainerStatus', { containerId })
  if (status) return status
  throw new CommandError(`the container ${containerId} is gone`)
}

async function attachTo(client: CriClient, containerId: string, options: RunOptions): Promise<void> {
  const { connectStream } = await import('../../agent/serve.ts')
  const { interactive: stdin = false, tty = false } = options
  const { url } = await client.call('Attach', { containerId, stdin, stdout: true, stderr: !tty, tty })
  await withTerminal(tty, (streams) =>
    connectStream(url, { ...streams, ...(stdin ? { stdin: process.stdin } : {}), tty }),
  )
  process.stdin.unref()
}

/** The streams of this process; a terminal is in raw mode as long as they are used. */
export async function withTerminal(
  tty: boolean,
  use: (streams: Pick<LocalStreams, 'stdout' | 'stderr' | 'onSize'>) => Promise<number>,
): Promise<number> {
  const isRaw = tty && isatty(0)
  if (isRaw) process.stdin.setRawMode(true)
  try {
    return await use({
      stdout: process.stdout,
      stderr: process.stderr,
      onSize(listener) {
        const tell = (): void => {
          const { columns, rows } = process.stdout
          if (columns && rows) listener({ columns, rows })
        }
        tell()
        process.stdout.on('resize', tell)
      },
    })
  } finally {
    if (isRaw) process.stdin.setRawMode(false)
    process.stdin.pause()
  }
}
