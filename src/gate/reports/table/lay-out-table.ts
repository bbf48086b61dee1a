export interface TableColumn {
  readonly title: string
  /** Wide columns give way when the line is too long. */
  readonly isWide?: boolean
  /** Never wider than this. */
  readonly maximum?: number
}

const gap = 2
const narrowest = 8

/** Lines of a table, cut with `…` so that none is longer than the width. Cells are one line each. */
export function layOutTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  width: number,
): readonly string[] {
  const cells = [columns.map(({ title }) => title), ...rows]
  const widths = columns.map(({ maximum = width }, index) =>
    Math.min(
      maximum,
      cells.reduce((most, line) => Math.max(most, Array.from(line[index] ?? '').length), 0),
    ),
  )
  let over = widths.reduce((sum, one) => sum + one, 0) + gap * (columns.length - 1) - width
  while (over > 0) {
    const giving = widths.map((one, index) => (columns[index]?.isWide && one > narrowest ? one : 0))
    const widest = giving.indexOf(Math.max(...giving))
    if ((giving[widest] ?? 0) === 0) break
    widths[widest] = (widths[widest] ?? 0) - 1
    over--
  }
  return cells.map((line) =>
    line
      .map((cell, index) => fit(cell, widths[index] ?? 0))
      .join(' '.repeat(gap))
      .trimEnd(),
  )
}

function fit(cell: string, width: number): string {
  const characters = Array.from(cell)
  if (characters.length <= width) return cell + ' '.repeat(width - characters.length)
  return `${characters.slice(0, Math.max(0, width - 1)).join('')}…`
}

/** Text broken into lines of the width, the first after the bullet and the others below its text. */
export function wrapItem(text: string, bullet: string, width: number): readonly string[] {
  const indent = ' '.repeat(bullet.length)
  const lines: string[] = []
  let line = bullet
  for (const word of text.split(/ +/)) {
    if (line.trim() !== bullet.trim() && line.length + word.length > width) {
      lines.push(line.trimEnd())
      line = indent
    }
    // A word that no line holds, such as a path, is broken where the line ends.
    let rest = word
    while (rest.length > width - indent.length) {
      lines.push(line + rest.slice(0, width - line.length))
      rest = rest.slice(width - line.length)
      line = indent
    }
    line += `${rest} `
  }
  if (line.trim() !== '') lines.push(line.trimEnd())
  return lines
}
