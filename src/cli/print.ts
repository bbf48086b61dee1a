import { styleText } from 'node:util'

/** Width that tables fit into. */
export const pageWidth = 80

export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => string
  /** Narrow columns keep their width; the others share what is left. */
  readonly isWide?: boolean
}

/** Prints lines on standard output. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2))
}

/** A table that fits the page: wide columns are cut with `…` where they have to be. */
export function formatTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  width = pageWidth,
): string {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ value }) => value(row))),
  ]
  const natural = columns.map((_, index) => Math.max(...cells.map((line) => (line[index] as string).length)))
  const widths = shareWidth(
    natural,
    columns.map(({ isWide }) => isWide === true),
    width - 2 * (columns.length - 1),
  )
  return cells
    .map((line) =>
      line
        .map((cell, index) => fit(cell, widths[index] as number))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function shareWidth(natural: readonly number[], wide: readonly boolean[], available: number): number[] {
  let over = natural.reduce((sum, width) => sum + width, 0) - available
  const widths = [...natural]
  // The widest of the wide columns gives first, and none below what still can be read.
  while (over > 0) {
    const candidates = widths.map((width, index) => (wide[index] && width > 8 ? width : 0))
    const widest = candidates.indexOf(Math.max(...candidates))
    if ((candidates[widest] ?? 0) === 0) break
    widths[widest] = (widths[widest] as number) - 1
    over--
  }
  return widths
}

function fit(cell: string, width: number): string {
  const text = cell.length > width ? `${cell.slice(0, Math.max(0, width - 1))}…` : cell
  return text.padEnd(width)
}

/** Text broken into lines that fit the page, each with the indent. */
export function wrap(text: string, indent = '', width = pageWidth): string {
  const lines: string[] = []
  let line = indent
  for (const word of text.split(/\s+/)) {
    if (line.length + word.length + 1 > width && line.trim() !== '') {
      lines.push(line.trimEnd())
      line = indent
    }
    line += `${word} `
  }
  lines.push(line.trimEnd())
  return lines.join('\n')
}

/** Colour for terminals; plain where the output goes elsewhere. */
export function colour(name: 'red' | 'green' | 'yellow' | 'bold', text: string): string {
  return process.stdout.isTTY ? styleText(name, text) : text
}

/** The first twelve digits of a digest say enough for people. */
export function shortDigest(digest: string): string {
  return digest.replaceAll(/(sha\d+:[0-9a-f]{12})[0-9a-f]{52,}/g, '$1')
}

/** Shows how far long work is, on standard error and on terminals only. */
export function progress(label: string): { step(done: number, total?: number): void; end(): void } {
  const isShown = process.stderr.isTTY
  return {
    step(done, total) {
      if (!isShown) return
      const share = total ? Math.min(1, done / total) : undefined
      const bar =
        share === undefined
          ? ''
          : ` [${'#'.repeat(Math.round(share * 20)).padEnd(20)}] ${Math.round(share * 100)}%`
      process.stderr.write(`\r\u001b[K${label}${bar || ` ${formatBytes(done)}`}`)
    },
    end() {
      if (isShown) process.stderr.write('\r\u001b[K')
    },
  }
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}
