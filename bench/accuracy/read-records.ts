import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'

/*
 * Reads the source records anew, with nothing of the product's: what comes out is what the product's answers are
 * held against.
 */

/** One event of a range, as it stands in the record. */
export type RangeEvent = Readonly<Partial<Record<'introduced' | 'fixed' | 'last_affected' | 'limit', string>>>

/** What a record says of one package. */
export interface Statement {
  readonly ecosystem: string
  readonly package: string
  /** What the answer has to name: the record, or each CVE that a distribution's notice is about. */
  readonly ids: readonly string[]
  readonly ranges: readonly (readonly RangeEvent[])[]
  readonly versions: readonly string[]
  /** The stream of an rpm module, `nodejs:18`. */
  readonly stream?: string
  /** The source says that the package never had it. */
  readonly isRuledOut?: true
}

interface OsvRecord {
  readonly id: string
  readonly aliases?: readonly string[]
  readonly related?: readonly string[]
  readonly summary?: string
  readonly withdrawn?: string
  readonly affected?: readonly {
    readonly package?: { readonly ecosystem: string; readonly name: string }
    readonly ranges?: readonly { readonly type: string; readonly events: readonly RangeEvent[] }[]
    readonly versions?: readonly string[]
    readonly database_specific?: { readonly informational?: string | null }
  }[]
  readonly database_specific?: { readonly ranges_checked?: boolean }
}

interface SecdbLine {
  readonly branch: string
  readonly pkg: string
  readonly secfixes: Readonly<Record<string, readonly string[]>>
}

/** Everything that the files of a folder say. npm: records only whose ranges were checked. */
export function readStatements(folder: string): readonly Statement[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl.gz'))
    .flatMap((name) =>
      gunzipSync(readFileSync(join(folder, name)))
        .toString('utf8')
        .split('\n'),
    )
    .filter((line) => line !== '')
    .flatMap((line) => readRecord(JSON.parse(line) as OsvRecord | SecdbLine))
}

function readRecord(record: OsvRecord | SecdbLine): readonly Statement[] {
  if ('secfixes' in record) return readSecdb(record)
  return 'affected' in record && record.withdrawn === undefined ? readOsv(record) : []
}

function readOsv(record: OsvRecord): readonly Statement[] {
  const named = [...(record.related ?? []), ...(record.aliases ?? [])].filter((one) => one.startsWith('CVE-'))
  const ids = record.id.startsWith('ALSA-') && named.length > 0 ? [...new Set(named)] : [record.id]
  return (record.affected ?? []).flatMap((entry): Statement[] => {
    // RustSec's notices (unmaintained, unsound) are no vulnerabilities.
    if (!entry.package || entry.database_specific?.informational) return []
    const { ecosystem, name } = entry.package
    const ranges = (entry.ranges ?? []).filter(({ type }) => type !== 'GIT').map(({ events }) => events)
    const isModular = JSON.stringify(ranges).includes('.module')
    const stream = isModular ? / ([a-z0-9.+-]+:[a-z0-9.]+) /i.exec(`${record.summary} `)?.[1] : undefined
    return [
      {
        ecosystem,
        package: ecosystem === 'PyPI' ? name.toLowerCase().replaceAll(/[-_.]+/g, '-') : name,
        ids,
        ranges,
        versions: entry.versions ?? [],
        ...(isModular ? { stream: stream ?? '' } : {}),
      },
    ]
  })
}

/** A version maps to what it fixed; "0" to what the package never had. */
function readSecdb({ branch, pkg, secfixes }: SecdbLine): readonly Statement[] {
  return Object.entries(secfixes).flatMap(([fixed, listed]) =>
    // One package of the official file has an empty text where a list belongs.
    (Array.isArray(listed) ? listed : [])
      .filter((id) => /^[A-Z]+-/.test(id))
      .map((id): Statement => ({
        ecosystem: `Alpine:${branch}`,
        package: pkg,
        ids: [id],
        ranges: [[{ introduced: '0' }, { fixed }]],
        versions: [],
        ...(fixed === '0' ? { isRuledOut: true } : {}),
      })),
  )
}

/** npm packages whose ranges were read from the real database, where the carrier of the records lost some. */
export function readCheckedPackages(folder: string): ReadonlySet<string> {
  const lines = gunzipSync(readFileSync(join(folder, 'npm.osv.jsonl.gz')))
    .toString('utf8')
    .trim()
    .split('\n')
  const checked = lines
    .map((line) => JSON.parse(line) as OsvRecord)
    .filter((record) => record.database_specific?.ranges_checked === true)
  return new Set(checked.flatMap(({ affected = [] }) => affected.map((entry) => entry.package?.name ?? '')))
}
