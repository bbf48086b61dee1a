import { fork, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Job, Result } from './load.ts'
import { manyTags, pushManifest } from './prepare.ts'
import { startDockerRegistry, startPratique, type Target } from './targets.ts'

/*
 * Compares Pratique with Debian's docker-registry on this machine: the same load, in turns, medians.
 * Usage: npm run bench [-- --rounds 5 --write docs/performance.md]
 */

const megabyte = 1024 * 1024

interface Row {
  readonly name: string
  readonly unit: 'MB/s' | 'req/s'
  /** How much one round does, in the unit's numerator. */
  readonly amount: number
  job(target: Target): Job
}

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    tags: { type: 'string', default: '100000' },
    only: { type: 'string', default: '' },
    write: { type: 'string' },
  },
})

const folder = mkdtempSync(join(tmpdir(), 'pratique-bench-'))
const load = fork(join(import.meta.dirname, 'load.ts'))
const targets = [
  await startPratique(join(folder, 'pratique')),
  await startDockerRegistry(join(folder, 'docker-registry')),
]
try {
  const manifests = new Map<Target, string>()
  for (const target of targets) {
    manifests.set(target, await pushManifest(target, 'bench/one'))
    await manyTags(target, 'bench/tags', Number(options.tags))
  }
  const rows = listRows(manifests).filter((row) => row.name.includes(options.only))
  const lines: string[] = []
  for (const row of rows) {
    const line = await measure(row)
    lines.push(line)
    process.stdout.write(`${line}\n`)
  }
  if (options.write) writeTable(options.write, lines)
} finally {
  load.kill()
  for (const target of targets) await target.stop()
  rmSync(folder, { recursive: true, force: true })
}

function listRows(manifests: ReadonlyMap<Target, string>): Row[] {
  const blobRows = [1, 10, 100].flatMap((size) =>
    [1, 10].flatMap((clients): Row[] => {
      const count = Math.max(clients, { 1: 60, 10: 12, 100: 3 }[size] ?? 1)
      const common = { clients, count, sizeBytes: size * megabyte, repository: 'bench/one' }
      const row = (name: string, job: Pick<Job, 'kind' | 'repeated'>): Row => ({
        name: `${name} ${size} MB, ${clients} ${clients === 1 ? 'client' : 'clients'}`,
        unit: 'MB/s',
        amount: count * size,
        job: (target) => ({ ...base(target), ...common, ...job }),
      })
      return [
        row('push unique', { kind: 'push' }),
        row('push repeated', { kind: 'push', repeated: true }),
        row('pull', { kind: 'pull' }),
      ]
    }),
  )
  const requests = [1, 10].flatMap((clients): Row[] => {
    const row = (name: string, method: string, count: number, path: (target: Target) => string): Row => ({
      name: `${name}, ${clients} ${clients === 1 ? 'client' : 'clients'}`,
      unit: 'req/s',
      amount: count,
      job: (target) => ({
        ...base(target),
        kind: 'request',
        repository: 'bench/one',
        method,
        path: path(target),
        clients,
        count,
        accept: 'application/vnd.oci.image.manifest.v1+json',
      }),
    })
    return [
      row('manifest GET by tag', 'GET', 2000, () => '/v2/bench/one/manifests/latest'),
      row('manifest HEAD by tag', 'HEAD', 2000, () => '/v2/bench/one/manifests/latest'),
      row(
        'manifest GET by digest',
        'GET',
        2000,
        (target) => `/v2/bench/one/manifests/${digestOf(manifests, target)}`,
      ),
      row('first 100 tags of many', 'GET', 10, () => '/v2/bench/tags/tags/list?n=100'),
      row('whole tag list', 'GET', 5, () => '/v2/bench/tags/tags/list'),
      row('mount', 'POST', 300, (target) => mountPath(manifests, target)),
    ]
  })
  return [...blobRows, ...requests]
}

function base(target: Target): Pick<Job, 'url' | 'authorization'> {
  return { url: target.url, authorization: target.authorization }
}

function digestOf(manifests: ReadonlyMap<Target, string>, target: Target): string {
  return (manifests.get(target) as string).split(' ')[0] as string
}

function mountPath(manifests: ReadonlyMap<Target, string>, target: Target): string {
  const config = (manifests.get(target) as string).split(' ')[1] as string
  return `/v2/bench/two/blobs/uploads/?mount=${config}&from=bench/one`
}

async function measure(row: Row): Promise<string> {
  const speeds = new Map<Target, number[]>(targets.map((target) => [target, []]))
  for (let round = 0; round < Number(options.rounds); round++) {
    // The one that goes first changes, so that neither always meets the other's dirty pages.
    for (const target of round % 2 === 0 ? targets : targets.toReversed()) {
      const { elapsedMs } = await ask(load, row.job(target))
      speeds.get(target)?.push(row.amount / (elapsedMs / 1000))
    }
  }
  const [ours = 0, theirs = 0] = targets.map((target) => median(speeds.get(target) ?? []))
  const shown = [ours, theirs].map((speed) => speed.toFixed(speed < 100 ? 1 : 0))
  return `| ${row.name} | ${shown[0]} ${row.unit} | ${shown[1]} ${row.unit} | ${(ours / theirs).toFixed(2)} |`
}

function ask(child: ChildProcess, job: Job): Promise<Result> {
  return new Promise((resolve, reject) => {
    child.once('message', (answer: Result & { error?: string }) =>
      answer.error ? reject(new Error(`${job.url}: ${answer.error}`)) : resolve(answer),
    )
    child.send(job)
  })
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((left, right) => left - right)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

function writeTable(path: string, lines: readonly string[]): void {
  const text = [
    '# Performance',
    '',
    'Pratique against the `docker-registry` that Debian ships, on one machine over loopback: fresh data',
    'folders, both fsync, the same load generator in a process of its own, rounds in turns, medians of',
    `${options.rounds} rounds. Pushes are POST + PATCH + PUT as docker does them. Pratique checks a token, the`,
    'access rules and the verdict on every request; docker-registry runs open. More than 1 in the last column:',
    'Pratique is faster. Timings on shared machines are noisy; read ratios, not absolute figures.',
    '',
    `Machine: ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.versions.node}. Made by:`,
    '',
    '```sh',
    'npm run bench -- --write docs/performance.md',
    '```',
    '',
    `The tag list has ${Number(options.tags).toLocaleString('en')} tags.`,
    '',
    '| what | Pratique | docker-registry | ratio |',
    '| --- | ---: | ---: | ---: |',
    ...lines,
    '',
  ]
  writeFileSync(path, text.join('\n'))
}
