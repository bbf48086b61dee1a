import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openDatabase, type Database } from '../src/database/index.ts'
import { digestOf } from '../src/kernel/digest.ts'
import { matchInventory } from '../src/scanning/matching/match-inventory.ts'
import { rematchJob, type RematchParts } from '../src/scanning/rematch-job.ts'
import { saveReport, saveScan } from '../src/scanning/store.ts'
import type { InstalledPackage, Inventory } from '../src/scanning/types.ts'
import { VulnerabilityDatabases } from '../src/scanning/vulndb/open-vulnerability-database.ts'
import { runImport } from '../src/scanning/vulndb/run-import.ts'
import { seededRandom } from '../test/fixtures/seeded-random.ts'

/*
 * How long stored inventories take to be brought up to a new vulnerability database: a day's advisories, and
 * a database that changed throughout. Usage: npm run bench:rematch [-- --images 10000 --packages 300]
 */

const { values: options } = parseArgs({
  options: {
    images: { type: 'string', default: '10000' },
    packages: { type: 'string', default: '300' },
    advisories: { type: 'string', default: '60000' },
    day: { type: 'string', default: '150' },
  },
})
const [images, packages, advisories, day] = [
  Number(options.images),
  Number(options.packages),
  Number(options.advisories),
  Number(options.day),
]
/** Different packages in the whole fleet; each image has some of them, common ones more often. */
const names = 4_000
const batchSize = 200

const folder = mkdtempSync(join(tmpdir(), 'pratique-bench-rematch-'))
const database = await openDatabase(join(folder, 'pratique.sqlite'))
const vulndb = join(folder, 'vulndb')
const vulnerabilities = new VulnerabilityDatabases(vulndb)
const random = seededRandom(20261125)
let judgements = 0
const parts: RematchParts = {
  database,
  clock: { now: Date.now },
  vulnerabilities,
  requestJudgement: async () => void judgements++,
  tellOfFindings: async () => {},
  wake: () => {},
}
const job = {
  kind: 'rematch',
  dedupeKey: 'all',
  payload: {},
  attempt: 1,
  isLastAttempt: false,
  signal: new AbortController().signal,
}

try {
  const rows: [string, string][] = []
  await importAdvisories('all', 0, advisories, any)
  await store(database)
  const current = vulnerabilities.current()
  if (!current) throw new Error('there is no database')
  const sample = Array.from({ length: 50 }, makeInventory)
  matchInventory(sample[0] as Inventory, current)
  const begun = performance.now()
  for (const inventory of sample) matchInventory(inventory, current)
  rows.push([
    `one SBOM of ${packages} packages, matched`,
    `${((performance.now() - begun) / 50).toFixed(1)} ms`,
  ])
  // News is about what is common more often, as in life.
  await importAdvisories('day', advisories, day, pick)
  rows.push([`${images} images, a day's ${day} advisories`, await timeRematch()])
  await importAdvisories('all', 0, advisories, any, 'high')
  rows.push([`${images} images, every advisory changed`, await timeRematch()])
  process.stdout.write(`| what | time |\n| --- | ---: |\n`)
  for (const [what, time] of rows) process.stdout.write(`| ${what} | ${time} |\n`)
  process.stdout.write(`\n${cpus().length} cores, ${cpus()[0]?.model ?? ''}, Node ${process.versions.node}\n`)
} finally {
  vulnerabilities.close()
  await database.destroy()
  rmSync(folder, { recursive: true, force: true })
}

async function timeRematch(): Promise<string> {
  judgements = 0
  const begun = performance.now()
  await rematchJob(parts, job)
  const seconds = (performance.now() - begun) / 1000
  return `${seconds.toFixed(1)} s (${judgements} images judged again)`
}

/** Advisories that each touch one package of Debian. */
async function importAdvisories(
  name: string,
  first: number,
  count: number,
  choose: () => number,
  severity = 'medium',
): Promise<void> {
  const lines = Array.from({ length: count }, (_, index) => {
    const number = first + index
    return JSON.stringify({
      id: `DEBIAN-CVE-2026-${10_000 + number}`,
      modified: new Date().toISOString(),
      upstream: [`CVE-2026-${10_000 + number}`],
      database_specific: { severity },
      affected: [
        {
          package: { ecosystem: 'Debian:12', name: nameOf(choose()) },
          ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed: `1.${number % 24}-1` }] }],
        },
      ],
    })
  })
  const file = join(folder, `${name}.jsonl`)
  writeFileSync(file, lines.join('\n'))
  await runImport(vulndb, file)
}

async function store(database: Database): Promise<void> {
  const current = vulnerabilities.current()
  if (!current) throw new Error('there is no database')
  for (let at = 0; at < images; at += batchSize) {
    await database.transaction().execute(async (transaction) => {
      for (let index = at; index < Math.min(images, at + batchSize); index++) {
        const digest = digestOf(`image ${index}`)
        const inventory = makeInventory()
        await saveScan(transaction, digest, { inventory }, 1)
        await saveReport(transaction, digest, matchInventory(inventory, current), 1)
      }
    })
  }
}

function makeInventory(): Inventory {
  const chosen = new Set<number>()
  while (chosen.size < packages) chosen.add(pick())
  return {
    operatingSystem: { id: 'debian', versionId: '12', prettyName: 'Debian GNU/Linux 12' },
    layers: [{ digest: digestOf('layer'), diffId: digestOf('diff') }],
    packages: [...chosen].map((number): InstalledPackage => {
      const version = `1.${20 + (number % 20)}-1`
      const name = nameOf(number)
      const purl = `pkg:deb/debian/${name}@${version}?arch=amd64&distro=debian-12`
      return { type: 'deb', name, version, purl, path: 'var/lib/dpkg/status', layer: 0 }
    }),
    unknowns: [],
  }
}

function nameOf(number: number): string {
  return `package-${number}`
}

function any(): number {
  return Math.floor(random() * names)
}

/** Low numbers are common, as libc is. */
function pick(): number {
  return Math.floor(random() ** 3 * names)
}
