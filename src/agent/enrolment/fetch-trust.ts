import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { NodeConfig } from '../../runtime/offline.ts'
import type { ServerLink } from './server-link.ts'

/** The trust of the server, over the link of an enrolled node. */
export function fetchTrust(link: ServerLink, { registry, server }: NodeConfig): Promise<Buffer> {
  const query = new URLSearchParams({ registry, insecure: String(server.startsWith('http:')) })
  return link.send('GET', `/node/v1/trust?${query.toString()}`)
}

/** Version and end of the trust that is kept, as it says itself; only to know whether another is to be had. */
export function peekTrust({
  configPath,
  config,
}: {
  readonly configPath: string
  readonly config: NodeConfig
}): { policyVersion: number; expiresAt: number } | undefined {
  try {
    const bundle = JSON.parse(readFileSync(resolve(dirname(configPath), config.trust), 'utf8')) as {
      dsseEnvelope: { payload: string }
    }
    const statement = JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString()) as {
      predicate: { policyVersion: number; expiresAt: number }
    }
    const { policyVersion, expiresAt } = statement.predicate
    return { policyVersion, expiresAt }
  } catch {
    return undefined
  }
}
