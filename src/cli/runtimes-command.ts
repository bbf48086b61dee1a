import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { FoundRuntime } from '../agent/index.ts'
import type { NodeBody } from '../runtime/wire.ts'
import { CommandError } from './client.ts'
import type { Context } from './commands.ts'
import { formatBytes, formatTable, print, printJson, wrap } from './print.ts'

const defaultConfigPath = '/etc/pratique/node.json'

interface LookOptions {
  readonly probe?: boolean
  readonly pods?: boolean
  readonly fleet?: boolean
}

/** `pratique runtimes`: what this node, or every enrolled one, can run containers with, and how well each isolates. */
export function runtimesCommands(program: Command, context: Context): void {
  const runtimes = program.command('runtimes').description('runtimes of this node, and of all nodes')
  runtimes
    .command('list', { isDefault: true })
    .description('handlers with their isolation, and what was measured of them')
    .option('--probe', 'try each program, and measure it; needs root')
    .option('--pods', 'the same, and an empty pod on each daemon')
    .option('--fleet', 'nodes and their runtimes, as the server knows them')
    .action(async ({ probe = false, pods = false, fleet = false }: LookOptions) => {
      if (fleet) return showFleet(context)
      const found = await look(pods ? 'pods' : probe ? 'programs' : undefined)
      if (context.isJson()) return printJson(found)
      print(
        formatTable(found, [
          { title: 'HANDLER', value: ({ handler }) => handler },
          { title: 'BY', value: ({ runtime, backend }) => `${runtime} in ${backend}`, isWide: true },
          { title: 'ISOLATION', value: ({ isolation }) => isolation ?? 'unknown' },
          { title: 'STATE', value: ({ state }) => state },
          {
            title: 'START',
            value: ({ startMs }) => (startMs === undefined ? '' : `${Math.round(startMs)} ms`),
          },
          {
            title: 'MEMORY',
            value: ({ memoryBytes }) => (memoryBytes === undefined ? '' : formatBytes(memoryBytes)),
          },
        ]),
      )
      for (const { handler, why } of found) if (why) print(wrap(`${handler}: ${why}`, '  '))
    })
  exportCommand(runtimes)
}

async function look(probe: 'programs' | 'pods' | undefined): Promise<readonly FoundRuntime[]> {
  const { examineRuntimes, machineAt, readNodeConfig, readReports } = await import('../agent/index.ts')
  const { enterPassingNamespaces, placesOf } = await import('../agent/serve.ts')
  // What the engine of an account without root does is tried as that does it.
  if (probe !== undefined) enterPassingNamespaces()
  const path = process.env['PRATIQUE_NODE_CONFIG'] ?? defaultConfigPath
  const config = findConfig(readNodeConfig, path)
  const file = join(placesOf(config?.agent).state, 'runtimes.json')
  const found = await examineRuntimes(config?.agent, {
    machine: machineAt('/', { now: Date.now() }),
    clock: { now: Date.now },
    before: readReports(file),
    probe,
  })
  // The agent takes over what was measured.
  if (probe !== undefined) keep(file, found)
  return found
}

/** A machine that is no node yet has runtimes all the same. */
function findConfig<Config>(read: (path: string) => Config, path: string): Config | undefined {
  try {
    return read(path)
  } catch {
    return undefined
  }
}

function keep(file: string, found: readonly FoundRuntime[]): void {
  try {
    mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 })
    writeFileSync(`${file}.new`, JSON.stringify(found, null, 2))
    renameSync(`${file}.new`, file)
  } catch (error) {
    process.stderr.write(`pratique: what was measured is not kept: ${(error as Error).message}\n`)
  }
}

async function showFleet(context: Context): Promise<void> {
  const { items } = await context.client().get<{ items: NodeBody[] }>('/api/v1/nodes')
  if (context.isJson()) return printJson(items)
  const handlers = [
    ...new Set(items.flatMap(({ runtimes }) => runtimes.map(({ handler }) => handler))),
  ].toSorted()
  const cell = ({ runtimes }: NodeBody, handler: string): string => {
    const found = runtimes.find((one) => one.handler === handler)
    if (!found) return '-'
    return found.state === 'broken'
      ? 'BROKEN'
      : found.startMs === undefined
        ? found.state
        : `${Math.round(found.startMs)} ms`
  }
  print(
    formatTable(items, [
      { title: 'NODE', value: ({ name }) => name, isWide: true },
      ...handlers.map((handler) => ({
        title: handler,
        value: (node: NodeBody) => cell(node, handler),
        isWide: true,
      })),
    ]),
  )
}

interface ExportOptions {
  readonly out?: string
  readonly nodeSelector?: readonly string[]
  readonly prefix?: string
}

function exportCommand(runtimes: Command): void {
  runtimes
    .command('export')
    .description('RuntimeClass objects for Kubernetes, with what was measured as overhead')
    .option('--out <file>', 'where to write; standard output when not given')
    .option('--node-selector <name=value...>', 'labels of the nodes that have these runtimes')
    .option('--prefix <text>', 'in front of the names of the objects', '')
    .action(async ({ out, nodeSelector = [], prefix = '' }: ExportOptions) => {
      const { runtimeClasses, writeRuntimeClasses } = await import('../agent/index.ts')
      const labels = Object.fromEntries(nodeSelector.map(readLabel))
      const text = writeRuntimeClasses(
        runtimeClasses(await look(undefined), { nodeSelector: labels, prefix }),
      )
      if (out === undefined) return void process.stdout.write(text)
      writeFileSync(out, text)
      print(out)
    })
}

function readLabel(text: string): readonly [string, string] {
  const at = text.indexOf('=')
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
  throw new CommandError(`--node-selector takes name=value, not ${text}`)
}
