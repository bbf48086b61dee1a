import { isAbsolute, resolve } from 'node:path'
import type { Command } from 'commander'
import type { Check } from '../agent/index.ts'
import type { LogLevel } from '../kernel/log.ts'
import { version } from '../kernel/version.ts'
import { trustPath } from '../runtime/wire.ts'
import { basic, Client, CommandError, exitCodes, withQuery } from './client.ts'
import type { Context } from './commands.ts'
import { breakGlassCommand } from './break-glass-command.ts'
import { networkCommand } from './containers/network-command.ts'
import { unitCommand } from './containers/unit-command.ts'
import { enrolCommands } from './fleet-commands.ts'
import { colour, print, printJson, wrap } from './print.ts'

const defaultConfigPath = '/etc/pratique/node.json'
const maximumInputBytes = 65_536

/** `pratique node` and `pratique doctor`: what runs on nodes. */
export function nodeCommands(program: Command, context: Context): void {
  const node = program.command('node').description('what runs on a node')
  serveCommand(node)
  verifyCommand(node)
  refreshCommand(node, context)
  enrolCommands(node, context)
  breakGlassCommand(node, context)
  unitCommand(node)
  networkCommand(node)
  doctorCommand(program, context)
}

function configPath(): string {
  return process.env['PRATIQUE_NODE_CONFIG'] ?? defaultConfigPath
}

function serveCommand(node: Command): void {
  node
    .command('serve')
    .description('run the agent: the CRI for kubelet, crictl and pratique run')
    .option('--config <file>', `node.json (${defaultConfigPath})`)
    .option('--log-level <level>', 'silent, error, warn, info or debug', 'info')
    .action(async ({ config = configPath(), logLevel }: { config?: string; logLevel: LogLevel }) => {
      const { enterNamespaces, openAgent } = await import('../agent/serve.ts')
      const { openLog } = await import('../kernel/log.ts')
      const log = openLog(logLevel)
      await enterNamespaces(config, log)
      const agent = await openAgent({ configPath: config, version, clock: { now: Date.now }, log })
      log.info({ socket: agent.places.socket, runtimes: agent.runtimes.list() }, 'the agent serves')
      await new Promise<void>((resolve) => {
        process.once('SIGTERM', resolve)
        process.once('SIGINT', resolve)
      })
      await agent.close()
    })
}

/** containerd calls it with flags of one dash, as Go programs take them. */
function verifyCommand(node: Command): void {
  node
    .command('verify-image')
    .description('answer containerd whether an image may be pulled: exit code 0, or 1 and why')
    .usage('-name <image> -digest <digest> ...')
    .argument('[arguments...]', 'as containerd gives them; the descriptor on standard input')
    .allowUnknownOption()
    .action(async (argv: string[]) => {
      const { verifyOnNode } = await import('../agent/index.ts')
      const { remoteSource } = await import('../signing/offline.ts')
      const answer = await verifyOnNode(argv, {
        configPath: configPath(),
        readInput,
        now: Date.now,
        sourceOf: ({ config, credentials }, repository, signal) =>
          remoteSource({
            registry: config.server,
            repository,
            signal,
            ...(credentials ? { credentials } : {}),
          }),
      })
      if (answer.evidence) process.stderr.write(`${JSON.stringify(answer.evidence)}\n`)
      await new Promise<void>((done) => process.stdout.write(`${answer.reason}\n`, () => done()))
      // What still hangs on the network must not keep containerd waiting.
      process.exit(answer.isAllowed ? exitCodes.pass : exitCodes.policySaysNo)
    })
}

async function readInput(): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maximumInputBytes) throw new Error(`standard input has more than ${maximumInputBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function refreshCommand(node: Command, context: Context): void {
  node
    .command('refresh')
    .description('fetch the policy and the signers again; run it daily')
    .action(async () => {
      const { keepTrust, readCredentials, readNodeConfig } = await import('../agent/index.ts')
      const path = configPath()
      const config = readNodeConfig(path)
      const account = readCredentials(path, config)
      const client = new Client({
        server: config.server,
        ...(account ? { authorization: basic(account.username, account.password) } : {}),
      })
      const { registry } = config
      const insecure = String(config.server.startsWith('http:'))
      const answer = await client.raw('GET', withQuery(trustPath, { registry, insecure }))
      const bundle = Buffer.from(await answer.arrayBuffer())
      // Only what the verifier will believe takes the place of what it believes now.
      const trust = await keepTrust({ configPath: path, config }, bundle, Date.now())
      const until = new Date(trust.expiresAt).toISOString()
      if (context.isJson()) return printJson({ policyVersion: trust.policyVersion, expiresAt: until })
      print(`Policy version ${trust.policyVersion} holds on this node until ${until}`)
    })
}

interface DoctorOptions {
  readonly root: string
  readonly config?: string
}

function doctorCommand(program: Command, context: Context): void {
  program
    .command('doctor')
    .description('find what lets images run without being verified')
    .command('node')
    .description('look at containerd, CRI-O, containers/image and the trust of this node')
    .option('--root <folder>', 'look at the files of another root', '/')
    .option('--config <file>', `node.json below the root (${defaultConfigPath})`)
    .action(async ({ root, config = configPath() }: DoctorOptions) => {
      if (!isAbsolute(config)) throw new CommandError('--config takes an absolute path')
      const { examineNode, machineAt } = await import('../agent/index.ts')
      const checks = await examineNode(machineAt(resolve(root), { now: Date.now(), nodeConfigPath: config }))
      if (context.isJson()) printJson({ checks })
      else for (const check of checks) showCheck(check)
      process.exitCode = exitCodeOf(checks)
    })
}

const marks = {
  ok: ['green', 'ok'],
  problem: ['red', 'PROBLEM'],
  unknown: ['yellow', 'unknown'],
} as const

function showCheck({ area, result, message, remedy }: Check): void {
  const [shade, mark] = marks[result]
  print(wrap(`${mark} ${area}: ${message}`, '  ').slice(2).replace(mark, colour(shade, mark)))
  if (remedy !== undefined) print(wrap(remedy, '    '))
}

/** Who does not know is not well. */
function exitCodeOf(checks: readonly Check[]): number {
  if (checks.some(({ result }) => result === 'problem')) return exitCodes.policySaysNo
  return checks.some(({ result }) => result === 'unknown') ? exitCodes.undetermined : exitCodes.pass
}
