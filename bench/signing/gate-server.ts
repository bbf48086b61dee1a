import { join } from 'node:path'
import { openDatabase } from '../../src/database/index.ts'
import { buildServer } from '../../src/http/index.ts'
import { systemCaller } from '../../src/identity/index.ts'
import { openLog } from '../../src/kernel/log.ts'
import { createPullGate, policyFailures } from '../../src/policy/index.ts'
import {
  FileBlobStore,
  registryFailures,
  registryRoutes,
  type RegistryParts,
} from '../../src/registry/index.ts'

/*
 * One registry on the data folder of a product that has ended, with the pull gate or without: what the gate costs is
 * then the only difference. Usage: gate-server.ts FOLDER on|off
 */

const [folder = '', gate] = process.argv.slice(2)
const clock = { now: Date.now }
const log = openLog('silent')
const database = await openDatabase(join(folder, 'pratique.sqlite'))
const blobs = await FileBlobStore.open(folder)
const allow = async (): Promise<void> => {}
const parts: RegistryParts = {
  database,
  blobs,
  clock,
  log,
  limits: {
    manifestBytes: 4 * 1024 * 1024,
    pageSize: 1_000,
    uploadsPerPrincipal: 100,
    bodyIdleMs: 60_000,
    uploadExpiryMs: 3_600_000,
    blobLeaseMs: 3_600_000,
  },
  requireAccess: allow,
  mayAccess: async () => true,
  isEntitled: async () => false,
  requireSignIn: allow,
  ensureProject: async () => '',
  pullGate:
    gate === 'on' ? createPullGate({ database, clock, mayAccess: async () => false, pullWaitMs: 0 }) : allow,
  events: {
    manifestPushed: allow,
    contentDeleted: allow,
    assertTagMutable: allow,
    committed: () => {},
  },
}
const app = buildServer({
  log,
  failureStatuses: { ...registryFailures, ...policyFailures },
  identifyCaller: async () => ({ ...systemCaller('bench'), sourceAddress: '127.0.0.1' }),
})
registryRoutes(app, parts)
process.stdout.write(`${await app.listen({ host: '127.0.0.1', port: 0 })}\n`)
