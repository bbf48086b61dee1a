import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Argument, Option, type Command } from 'commander'
import { isGlob } from '../kernel/glob.ts'
import { exportFormats, trustPath } from '../runtime/wire.ts'
import type { ExportedFile, ExportOptions, NamespaceLimit, RuntimeTrust } from '../runtime/offline.ts'
import type { ServerKeyBody } from '../signing/wire.ts'
import { CommandError, withQuery, type Client } from './client.ts'
import type { Context } from './commands.ts'
import { print, printJson, wrap } from './print.ts'

interface Options {
  readonly output: string
  readonly registry?: string
  readonly insecure?: boolean
  readonly repositories?: string
  readonly others: ExportOptions['others']
  readonly unexpressible: ExportOptions['unexpressible']
  readonly signer: 'policy' | 'server'
  readonly namespace?: readonly string[]
  readonly program: string
  readonly force?: boolean
}

/** `pratique policy export`: the files that make a runtime verify what the policy asks. */
export function exportCommand(policy: Command, context: Context): void {
  const formats = Object.entries(exportFormats).map(([name, help]) => `  ${name.padEnd(18)} ${help}`)
  policy
    .command('export')
    .description('write the files with which a runtime verifies what the policy asks')
    .addArgument(new Argument('<format>', 'one of those below').choices(Object.keys(exportFormats)))
    .requiredOption('--output <folder>', 'where to write; / for this machine')
    .option('--registry <host>', 'host[:port] under which nodes know the registry')
    .option('--insecure', 'nodes reach the registry without TLS')
    .option('--repositories <pattern>', 'only these repositories: a name, or prefix/**')
    .addOption(
      new Option('--others <what>', 'what becomes of images of other registries')
        .choices(['reject', 'accept'])
        .default('reject'),
    )
    .addOption(
      new Option('--unexpressible <what>', 'what becomes of images when the runtime cannot ask all')
        .choices(['reject', 'skip'])
        .default('reject'),
    )
    .addOption(
      new Option('--signer <whose>', 'policy: all signers; server: its signature after a promotion')
        .choices(['policy', 'server'])
        .default('policy'),
    )
    .option('--namespace <name=pattern...>', 'crio: limit a namespace to these repositories')
    .option('--program <path>', 'containerd: where pratique is on the node', 'pratique')
    .option('--force', 'overwrite files that are there')
    .addHelpText('after', `\nFormats:\n${formats.join('\n')}`)
    .action(async (format: string, options: Options) => writeExport(context, format, options))
}

async function writeExport(context: Context, format: string, options: Options): Promise<void> {
  const { getRuntimeExport, onlyServer, restrictScopes, RuntimeFailure } =
    await import('../runtime/offline.ts')
  const client = context.client()
  const registry = options.registry ?? new URL(client.server).host
  const { bundle, trust } = await fetchTrust(client, registry, options.insecure ?? false)
  const limited: RuntimeTrust =
    options.repositories === undefined
      ? trust
      : { ...trust, scopes: restrictScopes(trust.scopes, checkPattern(options.repositories)) }
  // Our own programs take the signed trust as it is, and know by their settings whose word they take.
  const isOurs = ['agent', 'containerd'].includes(format)
  const asked = options.signer === 'server' && !isOurs ? onlyServer(limited) : limited
  try {
    const { files, notes } = getRuntimeExport(format).write(asked, {
      others: options.others,
      unexpressible: options.unexpressible,
      namespaces: (options.namespace ?? []).map(readNamespace),
      node: {
        bundle: bundle.toString('utf8'),
        server: `${options.insecure ? 'http' : 'https'}://${registry}`,
        signer: options.signer,
        program: options.program,
      },
    })
    writeFiles(options.output, files, options.force ?? false)
    if (context.isJson()) return printJson({ files: files.map(({ path }) => path), notes })
    for (const { path } of files) print(join(options.output, path))
    print('')
    for (const note of notes) print(`- ${wrap(note, '  ').slice(2)}`)
  } catch (error) {
    if (error instanceof RuntimeFailure) throw new CommandError(error.message)
    throw error
  }
}

/** What the server signs for nodes, checked with the key that it says is its own. */
async function fetchTrust(
  client: Client,
  registry: string,
  insecure: boolean,
): Promise<{ readonly bundle: Buffer; readonly trust: RuntimeTrust }> {
  const { openTrust } = await import('../runtime/offline.ts')
  const { publicKey } = await client.get<ServerKeyBody>('/api/v1/server-key')
  const answer = await client.raw('GET', withQuery(trustPath, { registry, insecure: String(insecure) }))
  const bundle = Buffer.from(await answer.arrayBuffer())
  return { bundle, trust: await openTrust(bundle, { publicKeys: [publicKey], registry, now: Date.now() }) }
}

function checkPattern(pattern: string): string {
  if (isGlob(pattern)) return pattern
  throw new CommandError(
    `${JSON.stringify(pattern)} is no pattern of repositories, such as prod/shop or prod/**`,
  )
}

function readNamespace(text: string): NamespaceLimit {
  const [name = '', pattern, ...more] = text.split('=')
  if (pattern === undefined || more.length > 0) {
    throw new CommandError(`--namespace takes name=pattern, such as shop=prod/shop/**, not ${text}`)
  }
  return { name, repositories: [checkPattern(pattern)] }
}

/** Writes all files or none: first it is looked whether one of them is there. */
function writeFiles(folder: string, files: readonly ExportedFile[], isForced: boolean): void {
  const there = files.map(({ path }) => join(folder, path)).filter((path) => existsSync(path))
  if (there.length > 0 && !isForced) {
    throw new CommandError(
      `${there.join(', ')} ${there.length === 1 ? 'is' : 'are'} there already; overwrite with --force`,
    )
  }
  for (const { path, content, mode = 0o644 } of files) {
    const target = join(folder, path)
    mkdirSync(dirname(target), { recursive: true, mode: 0o755 })
    // A runtime may read it at any time, so it is swapped in whole.
    const next = `${target}.new`
    writeFileSync(next, content, { mode })
    renameSync(next, target)
  }
}
