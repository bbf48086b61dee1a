import { createReadStream, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import type { BundleManifest } from '../scanning/vulndb/bundle/wire.ts'
import type { ImportBody, VulndbStatus } from '../scanning/wire.ts'
import { readSettings } from '../settings.ts'
import { CommandError, withQuery } from './client.ts'
import type { Context } from './commands.ts'
import { progress } from './print.ts'
import { importBundle, type BundleOptions } from './vulndb-bundle.ts'

/** Where a vulnerability database is: at the server, or in a folder of this machine. */
export interface VulndbPlace {
  status(): Promise<VulndbStatus>
  importFile(path: string): Promise<ImportBody>
  useBundle(path: string, options: BundleOptions): Promise<BundleManifest>
  update(): Promise<ImportBody>
}

/** What can be made again: read layers, and the database that `pratique vulndb --local` keeps. */
export function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'pratique')
}

/** The server's database. */
export function serverPlace(context: Context): VulndbPlace {
  const client = context.client()
  return {
    status: () => client.get<VulndbStatus>('/api/v1/vulndb'),
    importFile: (path) => upload(context, path),
    useBundle: (path, options) => importBundle(client, path, options),
    update: () => client.send<ImportBody>('POST', '/api/v1/vulndb/update'),
  }
}

async function upload(context: Context, file: string): Promise<ImportBody> {
  const bar = progress(`importing ${basename(file)}`)
  const { size } = statSync(file)
  const stream = createReadStream(file)
  let sent = 0
  stream.on('data', (chunk) => bar.step((sent += chunk.length), size))
  try {
    const path = withQuery('/api/v1/vulndb/import', { name: basename(file) })
    const headers = { 'content-type': 'application/octet-stream' }
    return await context.client().upload<ImportBody>('POST', path, stream, headers)
  } finally {
    bar.end()
  }
}

/** The database in a folder, for `pratique scan` without a server. Feeds are those of the settings. */
export async function localPlace(folder: string): Promise<VulndbPlace> {
  const { vulndb } = await import('../gate/offline.ts')
  return {
    status: async () => vulndb.status(folder, Date.now()),
    importFile: (path) => vulndb.importFile(folder, path),
    async useBundle(path, { key, allowOlder = false }) {
      if (key === undefined)
        throw new CommandError('--key FILE: the public key that has to have signed the bundle')
      return vulndb.useBundle(folder, path, key, allowOlder)
    },
    async update() {
      const settings = readSettings(process.env)
      const feeds = {
        url: settings.vulndbFeedUrl,
        ecosystems: settings.vulndbEcosystems,
        sources: settings.vulndbSources,
        urls: settings.vulndbSourceUrls,
        alpineBranches: settings.vulndbAlpineBranches,
      }
      return vulndb.update(folder, feeds)
    },
  }
}
