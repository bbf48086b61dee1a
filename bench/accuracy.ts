import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { VulnerabilityDatabases } from '../src/scanning/vulndb/open-vulnerability-database.ts'
import { runImport } from '../src/scanning/vulndb/run-import.ts'
import { ecosystems } from './accuracy/ecosystems.ts'
import { measureFindings, type FindingTally } from './accuracy/measure-findings.ts'
import { measurePackages, type PackageTally } from './accuracy/measure-packages.ts'
import { readCheckedPackages, readStatements } from './accuracy/read-records.ts'

/*
 * Recall and precision of findings, against an independent reading of the same records with the order of the
 * ecosystem's own program, and of packages, against what the packagers' own tools list. Usage, on Debian:
 *   npm run bench:accuracy -- --advisories FOLDER [--images FOLDER --pairs 6000 --write docs/scan-accuracy.md]
 */

const { values: options } = parseArgs({
  options: {
    advisories: { type: 'string' },
    images: { type: 'string' },
    pairs: { type: 'string', default: '6000' },
    write: { type: 'string' },
  },
})
if (options.advisories === undefined) throw new Error('--advisories FOLDER: files of records, as .jsonl.gz')

const findings = await measureAdvisories(options.advisories, Number(options.pairs))
const packages = options.images === undefined ? [] : await measurePackages(options.images)
const lines = [...findingTable(findings), '', ...(packages.length > 0 ? packageTable(packages) : [])]
process.stdout.write(`${lines.join('\n')}\n`)
if (options.write) writeTables(options.write, lines)

async function measureAdvisories(folder: string, pairs: number): Promise<FindingTally[]> {
  const work = mkdtempSync(join(tmpdir(), 'pratique-bench-accuracy-'))
  const databases = new VulnerabilityDatabases(work)
  try {
    await runImport(work, folder)
    const database = databases.current()
    if (!database) throw new Error('the import made no database')
    const checked = readCheckedPackages(folder)
    const statements = Map.groupBy(readStatements(folder), ({ ecosystem }) => ecosystem)
    return ecosystems.map((ecosystem) => {
      const all = statements.get(ecosystem.name) ?? []
      // Of the other packages of npm the carrier of the records lost ranges.
      const sound = ecosystem.name === 'npm' ? all.filter((one) => checked.has(one.package)) : all
      return measureFindings(ecosystem, sound, database, pairs)
    })
  } finally {
    databases.close()
    rmSync(work, { recursive: true, force: true })
  }
}

function findingTable(tallies: readonly FindingTally[]): string[] {
  return [
    '| ecosystem | order by | packages | versions | expected | recall | precision | fix named |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...tallies.map(
      (one) =>
        `| ${one.title} | ${one.orderTitle} | ${one.packages} | ${one.pairs} | ${one.expected} | ${share(one.found, one.expected)} | ${share(one.right, one.reported)} | ${share(one.rightFixes, one.fixes)} |`,
    ),
    ...listDifferences(tallies.map(({ title, differences }) => ({ name: title, differences }))),
  ]
}

function packageTable(tallies: readonly PackageTally[]): string[] {
  return [
    '| image | kind | listed by | listed | found | recall | precision |',
    '| --- | --- | --- | ---: | ---: | ---: | ---: |',
    ...tallies.map(
      (one) =>
        `| ${one.image} | ${one.kind} | ${one.judge} | ${one.expected} | ${one.found} | ${share(one.right, one.expected)} | ${share(one.right, one.found)} |`,
    ),
    ...listDifferences(
      tallies.map(({ image, kind, differences }) => ({ name: `${image}, ${kind}`, differences })),
    ),
  ]
}

/** Every difference, up to a number that still can be read. */
function listDifferences(tallies: readonly { name: string; differences: readonly string[] }[]): string[] {
  const shown = tallies.flatMap(({ name, differences }) =>
    differences.slice(0, 40).map((difference) => `- ${name}: ${difference}`),
  )
  return shown.length === 0 ? [] : ['', ...shown]
}

function share(part: number, whole: number): string {
  return whole === 0 ? '–' : `${((part / whole) * 100).toFixed(2)} %`
}

function writeTables(path: string, lines: readonly string[]): void {
  const [before = ''] = readFileSync(path, 'utf8').split('<!-- measured -->')
  writeFileSync(path, `${before}<!-- measured -->\n\n${lines.join('\n')}\n`)
}
