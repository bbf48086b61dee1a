import { openTrust, type NodeConfig } from '../../runtime/offline.ts'
import { trustFile } from '../read-node.ts'
import { writeWhole } from './server-link.ts'

/** Where the trust is kept that the node works with, and by which it is checked. */
export interface TrustPlace {
  readonly configPath: string
  readonly config: NodeConfig
}

/** Puts a new trust in the place of the old one when it is one that the node will believe. Throws TRUST_INVALID. */
export async function keepTrust({ configPath, config }: TrustPlace, bundle: Buffer, now: number) {
  const { publicKeys, registry } = config
  const trust = await openTrust(bundle, { publicKeys, registry, now })
  writeWhole(trustFile(configPath, config), bundle.toString('utf8'), 0o644)
  return trust
}
