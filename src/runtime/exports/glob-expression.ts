/** A name with `*` and `**` as an anchored regular expression, as runtimes in Go read it. */
export function globExpression(glob: string): string {
  const parts = glob.split(/(\*\*|\*)/).map((part) => {
    if (part === '**') return '.*'
    return part === '*' ? '[^/]*' : part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  })
  return `^${parts.join('')}$`
}

/** A part of a resource's name in Kubernetes. */
export function resourceName(...parts: readonly string[]): string {
  const text = parts
    .join('-')
    .toLowerCase()
    .replaceAll('**', 'all')
    .replaceAll(/[^a-z0-9]+/g, '-')
  return text
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 60)
    .replace(/-+$/, '')
}
