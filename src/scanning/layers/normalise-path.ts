const maximumLength = 4096

/**
 * A path inside the image without `./`, leading slashes and empty parts. Undefined for the root itself, for
 * what would climb out of it, and for what no file system takes.
 */
export function normalisePath(name: string): string | undefined {
  if (name.length > maximumLength || name.includes('\0')) return undefined
  const parts: string[] = []
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue
    if (part === '..') {
      if (parts.pop() === undefined) return undefined
    } else parts.push(part)
  }
  return parts.length === 0 ? undefined : parts.join('/')
}
