const maximumLength = 4096

/**
 * A path inside the image without `./`, leading slashes and empty parts. Above the root is the root again, as
 * containerd unpacks it: what only seems to climb out is there. Undefined for the root itself, and for what no
 * file system takes.
 */
export function normalisePath(name: string): string | undefined {
  if (name.length > maximumLength || name.includes('\0')) return undefined
  const parts: string[] = []
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue
    if (part === '..') parts.pop()
    else parts.push(part)
  }
  return parts.length === 0 ? undefined : parts.join('/')
}
