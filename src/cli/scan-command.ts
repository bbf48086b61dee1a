import { existsSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { readFile } from 'node:fs/promises'
import { Option, type Command } from 'commander'
import type * as Gate from '../gate/offline.ts'
import type { GateResult, OpenTarget, RuleSet } from '../gate/offline.ts'
import type { VerdictBody } from '../policy/wire.ts'
import type { ScanList } from '../scanning/wire.ts'
import { CommandError, readCredentials, withQuery } from './client.ts'
import type { Context } from './commands.ts'
import { print, progress } from './print.ts'
import { cacheFolder } from './vulndb-place.ts'

const pollMs = 300

interface ScanOptions {
  readonly again?: boolean
  readonly timeout: string
  readonly local?: boolean
  readonly vulndb?: string
  readonly policy?: string
  readonly stage?: string
  readonly failOn?: 'critical' | 'high' | 'medium' | 'low'
  readonly onlyFixed?: boolean
  readonly platform?: string
  readonly format?: string
  readonly output?: string
  readonly report?: readonly string[]
}

/** `pratique scan`: the gate of a build, on images of the server and on files, with a server and without. */
export function scanCommand(program: Command, context: Context): void {
  program
    .command('scan <target>')
    .summary('judge an image of the server, or a file, folder or other registry')
    .description(
      'judge an image: one of the server, or a file or folder (OCI layout, archive of docker save or OCI, ' +
        'root of a file system, SBOM), or registry:HOST/NAME:TAG',
    )
    .addOption(
      new Option(
        '--fail-on <severity>',
        'fail on known vulnerabilities of this severity or a worse one',
      ).choices(['critical', 'high', 'medium', 'low']),
    )
    .option('--only-fixed', 'let vulnerabilities without a fix through')
    .option('--policy <file>', 'hold it to this policy')
    .option('--stage <name>', 'to the rules of this stage; the first one when not given')
    .option('--format <name>', 'table, json, sarif, junit, gitlab, cyclonedx, spdx, html or markdown')
    .option('-o, --output <file>', 'write the report there instead of showing it')
    .option('--report <format=file>', 'also write a report in another format; may be repeated', collect)
    .option('--platform <os/arch>', 'only this platform of an index')
    .option('--local', 'ask no server, even when signed in to one')
    .option('--vulndb <folder>', 'vulnerability database to match with, without a server (PRATIQUE_VULNDB)')
    .option('--again', 'have the server scan its image again')
    .option('--timeout <seconds>', 'how long to wait', '600')
    .action(async (text: string, options: ScanOptions) => {
      // Loaded here: the other commands need nothing of the scanner.
      const gate = await import('../gate/offline.ts')
      const reports = askedReports(gate, context, options)
      const result = await scan(gate, context, text, options)
      await writeReports(reports, result)
      process.exitCode = result.verdict.exitCode
    })
}

async function scan(
  gate: typeof Gate,
  context: Context,
  text: string,
  options: ScanOptions,
): Promise<GateResult> {
  const found = await gate.findTargetKind(text)
  const rules = await askedRules(gate, options)
  if (!found) return tighten(gate, await scanOnServer(context, text, options), rules)
  const target = await found.kind.open(found.location, {
    timeoutMs: timeoutMs(options),
    cacheFolder: join(cacheFolder(), 'layers'),
    ...(options.platform === undefined ? {} : { platform: options.platform }),
  })
  try {
    const database = vulnerabilityFolder(options)
    if (database === undefined && !options.local && hasServer(context)) {
      return tighten(gate, await askServer(gate, context, target, options), rules)
    }
    return await scanHere(gate, target, database, rules ?? gate.defaultRules)
  } finally {
    await target.close()
  }
}

/** Matches and judges on this machine. Without a database nothing is ever cleared. */
async function scanHere(
  gate: typeof Gate,
  target: OpenTarget,
  folder: string | undefined,
  rules: RuleSet,
): Promise<GateResult> {
  const databases = folder === undefined ? undefined : new gate.VulnerabilityDatabases(folder)
  try {
    if (databases && !databases.current()) {
      throw new CommandError(`there is no vulnerability database in ${folder}`)
    }
    return await gate.runGate(target, { rules, database: databases?.current(), now: Date.now })
  } finally {
    databases?.close()
  }
}

/** Reads here, and has the server match and judge: its database, its exceptions, its policy. */
async function askServer(
  gate: typeof Gate,
  context: Context,
  target: OpenTarget,
  options: ScanOptions,
): Promise<GateResult> {
  const client = context.client()
  return gate.judgeTarget(target, async (about, inventory) =>
    client.send<GateResult>('POST', '/api/v1/gate', {
      target: about,
      inventory,
      ...(options.stage === undefined || options.policy !== undefined ? {} : { stage: options.stage }),
    }),
  )
}

async function scanOnServer(context: Context, image: string, options: ScanOptions): Promise<GateResult> {
  if (options.local) {
    throw new CommandError(`${image} is no file or folder here; registry:HOST/${image} names one elsewhere`)
  }
  const client = context.client()
  if (options.again) await client.send('POST', withQuery('/api/v1/scan', { image }))
  await waitForVerdict(context, image, timeoutMs(options))
  return client.get<GateResult>('/api/v1/gate', { image })
}

/** Asks until the verdict is no longer pending because of the scan, or time is over. */
async function waitForVerdict(context: Context, image: string, timeoutMs: number): Promise<void> {
  const client = context.client()
  const bar = progress(`waiting for the verdict on ${image}`)
  const deadline = Date.now() + timeoutMs
  try {
    for (let waited = 0; ; waited += pollMs) {
      const verdict = await client.get<VerdictBody>('/api/v1/verdict', { image })
      const { items } = await client.get<ScanList>('/api/v1/scan', { image })
      const isScanned = items.every(({ state }) => state !== 'pending')
      const isJudged = items.every(
        ({ scannedAt }) => scannedAt !== undefined && scannedAt <= verdict.judgedAt,
      )
      if (verdict.state !== 'pending' || (isScanned && isJudged) || Date.now() > deadline) return
      bar.step(waited, timeoutMs)
      await pause(pollMs)
    }
  } finally {
    bar.end()
  }
}

/** The rules that the command line asks for; undefined when it asks for none. */
async function askedRules(gate: typeof Gate, options: ScanOptions): Promise<RuleSet | undefined> {
  const { failOn, onlyFixed = false } = options
  const own =
    failOn !== undefined || onlyFixed
      ? gate.askedHere({ scanned: true, findings: { atLeast: failOn ?? 'critical', onlyFixed } })
      : undefined
  if (options.policy === undefined) return own
  const rules = await gate.readRules(await readText(options.policy), options.stage)
  return own === undefined ? rules : { ...rules, levels: [...rules.levels, ...own.levels] }
}

function tighten(gate: typeof Gate, result: GateResult, rules: RuleSet | undefined): GateResult {
  return rules === undefined ? result : gate.tightenVerdict(result, rules, Date.now())
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new CommandError(`${path} cannot be read: ${(error as Error).message}`)
  }
}

interface AskedReport {
  readonly format: ReturnType<typeof Gate.getReportFormat>
  /** Undefined: it is shown. */
  readonly file: string | undefined
}

/** The reports that the command line asks for, looked at before the scan: afterwards would be late. */
function askedReports(gate: typeof Gate, context: Context, options: ScanOptions): AskedReport[] {
  const shown = gate.getReportFormat(options.format ?? (context.isJson() ? 'json' : 'table'))
  const reports = (options.report ?? []).map((text): AskedReport => {
    const [name = '', ...file] = text.split('=')
    if (file.join('=') === '') {
      throw new CommandError(`--report ${text}: it takes FORMAT=FILE, such as sarif=a.sarif`)
    }
    return { format: gate.getReportFormat(name), file: file.join('=') }
  })
  const all = [...reports, { format: shown, file: options.output }]
  const files = all.flatMap(({ file }) => (file === undefined ? [] : [resolve(file)]))
  for (const [index, file] of files.entries()) {
    if (files.indexOf(file) !== index) throw new CommandError(`two reports cannot both be written to ${file}`)
    if (!existsSync(dirname(file))) throw new CommandError(`there is no folder ${dirname(file)} for a report`)
  }
  return all
}

async function writeReports(reports: readonly AskedReport[], result: GateResult): Promise<void> {
  for (const { format, file } of reports) {
    const report = await format.write(result)
    if (file === undefined) print(String(report).trimEnd())
    else writeReport(file, report)
  }
}

function writeReport(file: string, report: string | Uint8Array): void {
  try {
    writeFileSync(file, report)
  } catch (error) {
    throw new CommandError(`${file} cannot be written: ${(error as Error).message}`)
  }
}

/** Longer than any scan, and short of what timers take. */
const maximumTimeoutSeconds = 86_400

function timeoutMs({ timeout }: ScanOptions): number {
  const seconds = Number(timeout)
  if (!(seconds > 0 && seconds <= maximumTimeoutSeconds)) {
    throw new CommandError(`--timeout ${timeout}: it takes seconds, at most ${maximumTimeoutSeconds}`)
  }
  return seconds * 1000
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value]
}

/** Where a vulnerability database of this machine is; undefined when there is none. */
function vulnerabilityFolder({ vulndb }: ScanOptions): string | undefined {
  const named = vulndb ?? process.env['PRATIQUE_VULNDB']
  if (named !== undefined) {
    if (!existsSync(named)) throw new CommandError(`there is no vulnerability database at ${named}`)
    return named
  }
  const usual = join(cacheFolder(), 'vulndb')
  return existsSync(usual) ? usual : undefined
}

/** A server was named or signed in to. */
function hasServer(context: Context): boolean {
  return (
    context.isServerNamed() || process.env['PRATIQUE_SERVER'] !== undefined || readCredentials() !== undefined
  )
}
