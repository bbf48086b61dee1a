/** Names of one registry that differ only in writing are the same. */
export function normalizeHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/:(443|80)$/, '')
    .replace(/\.(?=$|:)/, '')
}
