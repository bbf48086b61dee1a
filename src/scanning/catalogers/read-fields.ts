/** RFC 822 fields of a paragraph; the first line of each is all that is needed here. */
export function readFields(paragraph: string): Map<string, string> {
  const fields = new Map<string, string>()
  for (const line of paragraph.split('\n')) {
    const colon = line.indexOf(':')
    if (colon <= 0 || line.startsWith(' ') || line.startsWith('\t')) continue
    const name = line.slice(0, colon).toLowerCase()
    if (!fields.has(name)) fields.set(name, line.slice(colon + 1).trim())
  }
  return fields
}
