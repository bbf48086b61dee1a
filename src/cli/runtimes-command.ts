import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Option, type Command } from 'commander'
import type { FoundRuntime, RuntimeClass } from '../agent/index.ts'
import { CommandError } from './client.ts'
import type { Context } from './commands.ts'
import { colour, formatBytes, formatTable, print, printJson, wrap } from './print.ts'

const defaultConfigPath = '/etc/pratique/node.json'

interface LookOptions {
  readonly config?: string
  readonly probe?: 'programs' | 'pods' | true
}

interface ExportOptions {
  readonly config?: string
  readonly out?: string
  readonly handler?: readonly string[]
  readonly prefix?: string
  readonly nodeSelector?: readonly string[]
  readonly force?: boolean
}

/** `pratique runtimes`: what this node can run containers with, and how well. */
export function runtimesCommands(program: Command, context: Context): void {
  const runtimes = program
    .command('runtimes')
    .description('show what this node can run containers with, and how well')
    .option('--config <file>', `node.json (${defaultConfigPath})`)
    .addOption(
      new Option('--probe [what]', 'try and measure: programs, or empty pods on CRI runtimes too')
        .choices(['programs', 'pods'])
        .preset('programs'),
    )
    .action(async (options: LookOptions) => {
      const found = await lookAtRuntimes(options)
      if (context.isJson()) printJson({ runtimes: found })
      else showRuntimes(found)
    })
  runtimes
    .command('export')
    .description('write a RuntimeClass for each runtime of this node, with what it was measured to take')
    .option('--config <file>', `node.json (${defaultConfigPath})`)
    .option('--out <folder>', 'write a file for each; otherwise all go to standard output')
    .option('--handler <name...>', 'only these')
    .option('--prefix <text>', 'put this in front of the names of the objects')
    .option('--node-selector <label=value...>', 'only nodes with these labels have the runtimes')
    .option('--force', 'overwrite files that are there')
    .action(async (options: ExportOptions) => exportRuntimes(options, context))
}

/** Asks the daemons and looks at the programs; what is measured is kept for the agent and for the next time. */
async function lookAtRuntimes({ config, probe }: LookOptions): Promise<readonly FoundRuntime[]> {
  const agent = await import('../agent/index.ts')
  const path = config ?? process.env['PRATIQUE_NODE_CONFIG'] ?? defaultConfigPath
  const settings = existsSync(path) ? agent.readNodeConfig(path).agent : undefined
  if (!existsSync(path) && config !== undefined) throw new CommandError(`there is no ${config}`)
  const kept = join(agent.placesOf(settings).state, 'runtimes.json')
  const found = await agent.examineRuntimes(settings, {
    machine: agent.machineAt('/', { now: Date.now() }),
    clock: { now: Date.now },
    before: agent.readReports(kept),
    probe: probe === true ? 'programs' : probe,
  })
  if (probe !== undefined) keep(() => agent.writeReports(kept, found))
  return found
}

/** Whoever only looks need not be able to write. */
function keep(write: () => void): void {
  try {
    write()
  } catch (error) {
    const why = `what was measured is not kept: ${(error as Error).message}; it is kept where an agent has its state`
    process.stderr.write(`${wrap(why)}\n`)
  }
}

const marks = { works: 'green', broken: 'red', untried: 'yellow' } as const

function showRuntimes(found: readonly FoundRuntime[]): void {
  print(
    formatTable(found, [
      { title: 'HANDLER', value: ({ handler }) => handler },
      { title: 'BACKEND', value: ({ backend }) => backend, isWide: true },
      {
        title: 'RUNTIME',
        value: ({ runtime, version = '' }) => `${runtime} ${version}`.trim(),
        isWide: true,
      },
      { title: 'ISOLATION', value: ({ isolation }) => isolation ?? 'unknown' },
      { title: 'STATE', value: ({ state }) => state },
      { title: 'START', value: ({ startMs }) => (startMs === undefined ? '-' : `${Math.round(startMs)} ms`) },
      {
        title: 'MEMORY',
        value: ({ memoryBytes }) => (memoryBytes === undefined ? '-' : formatBytes(memoryBytes)),
      },
    ]),
  )
  for (const { handler, state, why } of found) {
    if (why === undefined) continue
    print('')
    print(wrap(`${state} ${handler}: ${why}`, '  ').slice(2).replace(state, colour(marks[state], state)))
  }
  if (found.some(({ measuredAt, state }) => measuredAt === undefined && state === 'untried')) {
    print('')
    print(wrap('untried: pratique runtimes --probe runs a tiny program in each, and measures it.'))
  }
}

async function exportRuntimes(options: ExportOptions, context: Context): Promise<void> {
  const { runtimeClasses, writeRuntimeClasses } = await import('../agent/index.ts')
  const found = await lookAtRuntimes(options)
  const { prefix = '', nodeSelector = [] } = options
  // Names of objects are DNS subdomains (Kubernetes, "Object Names and IDs").
  if (!/^([a-z0-9][-.a-z0-9]{0,60})?$/.test(prefix)) {
    throw new CommandError('--prefix takes lower case letters, digits, dots and hyphens, such as acme-')
  }
  const classes = runtimeClasses(selectHandlers(found, options.handler), {
    prefix,
    nodeSelector: Object.fromEntries(nodeSelector.map(readLabel)),
  })
  if (options.out !== undefined)
    writeClasses(options.out, classes, writeRuntimeClasses, options.force === true)
  if (context.isJson()) return printJson({ runtimeClasses: classes })
  if (options.out === undefined) process.stdout.write(writeRuntimeClasses(classes))
  else for (const one of classes) print(join(options.out, fileOf(one)))
  tellWhatIsMissing(found, classes, nodeSelector.length > 0)
}

function selectHandlers(
  found: readonly FoundRuntime[],
  names: readonly string[] | undefined,
): readonly FoundRuntime[] {
  if (!names) return found
  const unknown = names.find((name) => !found.some(({ handler }) => handler === name))
  if (unknown !== undefined) {
    const there = found.map(({ handler }) => handler).join(', ')
    throw new CommandError(`there is no handler ${unknown} on this node; there are ${there}`)
  }
  return found.filter(({ handler }) => names.includes(handler))
}

/** Kubernetes, "Labels and Selectors". */
function readLabel(text: string): [string, string] {
  const [, label, value] =
    /^((?:[a-z0-9.-]{1,253}\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)=([A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?|)$/.exec(
      text,
    ) ?? []
  if (label === undefined || value === undefined) {
    throw new CommandError(`--node-selector takes label=value, not ${text}`)
  }
  return [label, value]
}

function fileOf({ metadata }: RuntimeClass): string {
  return `runtimeclass-${metadata.name}.yaml`
}

function writeClasses(
  folder: string,
  classes: readonly RuntimeClass[],
  write: (classes: readonly RuntimeClass[]) => string,
  isForced: boolean,
): void {
  const there = classes.map((one) => join(folder, fileOf(one))).filter((path) => existsSync(path))
  if (there.length > 0 && !isForced) {
    throw new CommandError(`${there.join(', ')}: there already; overwrite with --force`)
  }
  mkdirSync(folder, { recursive: true })
  for (const one of classes) {
    const path = join(folder, fileOf(one))
    writeFileSync(`${path}.new`, write([one]))
    renameSync(`${path}.new`, path)
  }
}

/** On standard error, as standard output may go straight to the cluster. */
function tellWhatIsMissing(
  found: readonly FoundRuntime[],
  classes: readonly RuntimeClass[],
  hasSelector: boolean,
): void {
  const broken = found.filter(({ state }) => state === 'broken').map(({ handler }) => handler)
  const unmeasured = found
    .filter(
      ({ handler, measuredAt }) => measuredAt === undefined && classes.some((one) => one.handler === handler),
    )
    .map(({ handler }) => handler)
  const notes = [
    ...(broken.length > 0 ? [`left out, as they do not work here: ${broken.join(', ')}`] : []),
    ...(unmeasured.length > 0
      ? [`without overhead, as they were not measured (pratique runtimes --probe): ${unmeasured.join(', ')}`]
      : []),
    ...(hasSelector
      ? []
      : ['without --node-selector, pods may be sent to nodes that do not have the runtime']),
  ]
  for (const note of notes) process.stderr.write(`- ${wrap(note, '  ').slice(2)}\n`)
}
