/**
 * The main attributes of a manifest (JAR file specification, "JAR Manifest"), by their names in lower case: up to the
 * first empty line, where a line that begins with a space goes on with the one before.
 */
export function readManifest(text: string): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>()
  const [main = ''] = text.replace(/^\uFEFF/, '').split(/\r?\n\r?\n|\r\r/, 1)
  for (const line of main.replaceAll(/\r?\n |\r /g, '').split(/\r?\n|\r/)) {
    const colon = line.indexOf(':')
    if (colon <= 0) continue
    const name = line.slice(0, colon).toLowerCase()
    if (!attributes.has(name)) attributes.set(name, line.slice(colon + 1).trim())
  }
  return attributes
}

/** Java properties, as Maven writes them: `key=value` lines and comments. */
export function readProperties(text: string): ReadonlyMap<string, string> {
  const properties = new Map<string, string>()
  for (const line of text.split(/\r?\n|\r/)) {
    const match = /^[ \t]{0,20}([\w.-]{1,100})[ \t]{0,20}[=:](.*)$/.exec(line)
    if (match) properties.set(match[1] as string, (match[2] as string).trim())
  }
  return properties
}
