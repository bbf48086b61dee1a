import { ScanningFailure } from '../failures.ts'
import { sourceAdapters } from './sources/index.ts'
import type { FeedRequest } from './sources/types.ts'

/** Where advisories are fetched from. */
export interface FeedSettings {
  /** OSV's archives: `<url>/<ecosystem>/all.zip`. */
  readonly url: string
  readonly ecosystems: readonly string[]
  /** Names of the sources that an update fetches; OSV alone when absent. */
  readonly sources?: readonly string[]
  /** `name=url`: other places than a source's own. */
  readonly urls?: readonly string[]
  readonly alpineBranches?: readonly string[]
}

/** Everything that an update asks for. Throws VULNDB_FEED for a name or address that cannot be. */
export function listRequests(settings: FeedSettings): readonly FeedRequest[] {
  const urls = readUrls(settings.urls ?? [])
  const selection = { ecosystems: settings.ecosystems, alpineBranches: settings.alpineBranches ?? [] }
  return (settings.sources ?? ['osv']).flatMap((name) => {
    const adapter = sourceAdapters.find((one) => one.name === name)
    if (!adapter) throw unknownSource(name)
    const url = urls.get(name) ?? (name === 'osv' ? settings.url : adapter.defaultUrl)
    if (url === '')
      throw new ScanningFailure('VULNDB_FEED', `source ${name} has no address of its own; set one for it`)
    return adapter.requests(url.replace(/\/$/, ''), selection)
  })
}

function readUrls(entries: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    entries.map((entry) => {
      const at = entry.indexOf('=')
      const [name, url] = [entry.slice(0, at), entry.slice(at + 1)]
      if (at < 1 || !URL.canParse(url) || !/^https?:/.test(url))
        throw new ScanningFailure('VULNDB_FEED', `${JSON.stringify(entry)} is not of the form name=url`)
      if (!sourceAdapters.some((one) => one.name === name)) throw unknownSource(name)
      return [name, url] as const
    }),
  )
}

function unknownSource(name: string): ScanningFailure {
  const known = sourceAdapters.map((one) => one.name).join(', ')
  return new ScanningFailure('VULNDB_FEED', `there is no advisory source ${name}; known are ${known}`)
}
