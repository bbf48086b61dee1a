import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { auditRoutes } from './audit/index.ts'
import { baseImageFailures, baseImageRoutes } from './baseimages/index.ts'
import { lockFolder, openDatabase, type Database, type DatabaseTransaction } from './database/index.ts'
import {
  exceptionEvent,
  exceptionFailures,
  exceptionRoutes,
  expireExceptionsJob,
  expireJobKind,
  type ExceptionChange,
} from './exceptions/index.ts'
import { gateFailures, gateRoutes } from './gate/index.ts'
import {
  buildServer,
  describeApi,
  healthRoutes,
  httpFailures,
  metricsRoutes,
  type MetricGauge,
} from './http/index.ts'
import { Identity, identityFailures, identityRoutes, systemCaller } from './identity/index.ts'
import { JobRunner } from './jobs/index.ts'
import type { Clock } from './kernel/clock.ts'
import { kernelFailures } from './kernel/failure.ts'
import type { Log } from './kernel/log.ts'
import { version } from './kernel/version.ts'
import {
  databaseEvent,
  deliverJob,
  deliverJobKind,
  newFindingsEvent,
  notificationFailures,
  notificationRoutes,
  notify,
  parseNetworks,
  readMailSettings,
  tendNotificationsJob,
  verdictEvent,
} from './notifications/index.ts'
import {
  countsAgainst,
  createPullGate,
  endGraceJob,
  judgeAllJob,
  judgeJob,
  judgePushedManifest,
  platformImages,
  findJudgedReport,
  policyFailures,
  policyRoutes,
  requestJudgement,
  requestJudgementOfAll,
  resolveImage,
  suspendSigned,
  type VerdictChange,
} from './policy/index.ts'
import { promotionFailures, promotionRoutes } from './promotion/index.ts'
import {
  applyRetention,
  assertTagMutable,
  collectGarbage,
  FileBlobStore,
  maintenanceRoutes,
  registryFailures,
  registryRoutes,
  type RegistryEvents,
  type RegistryParts,
} from './registry/index.ts'
import { runtimeFailures, runtimeRoutes, startNodeListener, type NodeListener } from './runtime/index.ts'
import {
  findScan,
  packageRoutes,
  rematchJob,
  scanJob,
  scanningFailures,
  scanningRoutes,
  updateDatabaseJob,
  VulnerabilityDatabases,
  type DatabaseEvent,
  type FindingsChange,
} from './scanning/index.ts'
import type { Settings } from './settings.ts'
import {
  bundleMediaType,
  getServerKey,
  signingFailures,
  signingRoutes,
  signStatement,
  VerificationCache,
  type Statement,
} from './signing/index.ts'

const hourMs = 3_600_000
const minuteMs = 60_000

/** The product, built and ready to listen. */
export interface Product {
  readonly app: FastifyInstance
  /** The first administrator's password, if it was made up at this start. */
  readonly oneTimePassword: string | undefined
  start(): void
  /** Opens the port of the nodes, and gives its number. */
  listenToNodes(listen: { readonly host: string; readonly port: number }): Promise<number>
  stop(): Promise<void>
}

/** Builds every subject and joins them up. */
export async function compose(settings: Settings, clock: Clock, log: Log): Promise<Product> {
  const { dataDir } = settings
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const lock = lockFolder(dataDir)
  const database = await openDatabase(join(dataDir, 'pratique.sqlite'))
  const blobs = await FileBlobStore.open(dataDir)
  const vulndbFolder = join(dataDir, 'vulndb')
  const vulnerabilities = new VulnerabilityDatabases(vulndbFolder)
  const publicUrl = settings.publicUrl === undefined ? {} : { publicUrl: settings.publicUrl }
  const identity = new Identity({
    database,
    clock,
    trustedProxies: settings.trustedProxies,
    tokenLifetimeMs: settings.tokenLifetimeMs,
    ...publicUrl,
  })
  const oneTimePassword = await identity.bootstrap(settings.adminPassword)
  const wake = (): void => runner.wake()
  const events = registryEvents(identity, clock, wake)
  const evidence = { database, blobs, clock, verifications: new VerificationCache() }
  const notifications = {
    database,
    clock,
    source: settings.publicUrl ?? 'urn:pratique:server',
    networks: parseNetworks(settings.notificationNetworks),
    mail: readMailSettings(settings),
  }
  const judging = { ...evidence, verdictChanged: tellOfVerdict }
  const judgeAll = (transaction: DatabaseTransaction): Promise<void> =>
    requestJudgementOfAll(transaction, clock.now())
  const registry: RegistryParts = {
    database,
    blobs,
    clock,
    log,
    limits: settings,
    requireAccess: identity.requireAccess,
    mayAccess: identity.mayAccess,
    isEntitled: identity.isEntitled,
    requireSignIn: identity.requireSignIn,
    ensureProject: identity.ensureProject,
    pullGate: createPullGate({
      database,
      clock,
      mayAccess: identity.isEntitled,
      pullWaitMs: settings.pullWaitMs,
    }),
    events,
  }
  const scanning = {
    database,
    blobs,
    blobFile: (location: string) => blobs.fileOf(location),
    cacheFolder: join(dataDir, 'scan-cache'),
    scanTimeoutMs: settings.scanTimeoutMs,
    registry,
    vulnerabilities,
    requestJudgement,
    signStatement: async (statement: Statement) => ({
      mediaType: bundleMediaType,
      bytes: signStatement(await getServerKey(database, clock), statement),
    }),
  }
  const exceptions = { database, identity, requestJudgement, requestJudgementOfAll, changed: tellOfException }
  const updating = {
    database,
    identity,
    vulnerabilities,
    vulndbFolder,
    feeds: {
      url: settings.vulndbFeedUrl,
      ecosystems: settings.vulndbEcosystems,
      sources: settings.vulndbSources,
      urls: settings.vulndbSourceUrls,
      alpineBranches: settings.vulndbAlpineBranches,
    },
    tellOfDatabase,
    wake,
  }
  const garbage = { database, blobs, clock, graceMs: settings.gcGraceMs }
  const retention = { database, clock, events }
  const runner = new JobRunner({
    database,
    clock,
    log,
    concurrency: settings.scanConcurrency + 1,
    handlers: {
      scan: (job) => scanJob(scanning, job),
      rematch: (job) => rematchJob({ ...scanning, clock, tellOfFindings, wake }, job),
      'update-vulndb': () => updateDatabaseJob(updating),
      judge: (job) => judgeJob(judging, job),
      'judge-all': (job) => judgeAllJob(judging, job),
      'end-grace': () => endGraceJob(judging),
      [deliverJobKind]: (job) => deliverJob(notifications, job),
      'tend-notifications': () => tendNotificationsJob(notifications),
      [expireJobKind]: () => expireExceptionsJob(exceptions),
      'collect-garbage': async () => void (await collectGarbage(garbage, false)),
      'apply-retention': async () => void (await applyRetention(retention, systemCaller('retention'), false)),
    },
    schedules: [
      { kind: 'collect-garbage', everyMs: settings.gcIntervalMs },
      { kind: 'apply-retention', everyMs: 24 * hourMs },
      { kind: 'end-grace', everyMs: minuteMs },
      // What was young enough yesterday may be too old today.
      { kind: 'judge-all', everyMs: 24 * hourMs },
      ...(settings.vulndbUpdateIntervalMs > 0
        ? [{ kind: 'update-vulndb', everyMs: settings.vulndbUpdateIntervalMs }]
        : []),
      { kind: expireJobKind, everyMs: hourMs },
      { kind: 'tend-notifications', everyMs: hourMs },
    ],
  })

  const failureStatuses = {
    ...kernelFailures,
    ...httpFailures,
    ...identityFailures,
    ...registryFailures,
    ...scanningFailures,
    ...signingFailures,
    ...baseImageFailures,
    ...policyFailures,
    ...promotionFailures,
    ...gateFailures,
    ...notificationFailures,
    ...exceptionFailures,
    ...runtimeFailures,
  }
  const app = buildServer({
    log,
    failureStatuses,
    identifyCaller: identity.identifyCaller,
  })
  await describeApi(app, {
    title: 'Pratique',
    version,
    description:
      'The API beside the registry. `/v2/` follows the OCI distribution specification, `/extensions/v2/` is the ' +
      'signature extension of containers/image, `/node/v1/` is for nodes at a port of their own and describes itself ' +
      'there, and none is repeated here. Errors are `application/problem+json` (RFC 9457) with a `code`.',
    path: '/api/v1/openapi.json',
    securitySchemes: {
      basic: { type: 'http', scheme: 'basic' },
      token: { type: 'http', scheme: 'bearer' },
    },
  })
  healthRoutes(app, { findFaults: () => findFaults(database) })
  metricsRoutes(app, {
    requireReader: ({ caller }) => identity.requireAdministrator(caller),
    gauges: gauges(database),
  })
  const findImages = async (name: string) => {
    const named = await resolveImage(database, name)
    return { repository: named.repository, images: await platformImages(database, named) }
  }
  identityRoutes(app, identity)
  auditRoutes(app, { database, requireAdministrator: ({ caller }) => identity.requireAdministrator(caller) })
  const registryDoor = registryRoutes(app, registry)
  maintenanceRoutes(app, { ...garbage, ...retention, identity })
  packageRoutes(app, { database, identity })
  scanningRoutes(app, {
    ...updating,
    bundleKeys: settings.vulndbBundleKeys,
    resolveImage: findImages,
    registry,
    findFindings: async (repository, digest) =>
      (await findJudgedReport(evidence, repository, digest, clock.now())).report,
  })
  gateRoutes(app, { ...evidence, identity, vulnerabilities })
  signingRoutes(app, { database, identity, judgeAll, suspendSigned, wake })
  baseImageRoutes(app, {
    database,
    identity,
    judgeAll: (transaction) => judgeAll(transaction).then(wake),
    listCandidates: async (name) => {
      const { repository, images } = await findImages(name)
      return Promise.all(
        images.map(async ({ digest, platform }) => ({
          repository: repository.name,
          digest,
          platform: platform ?? '',
          diffIds: (await findScan(database, digest))?.inventory?.layers.map((layer) => layer.diffId),
        })),
      )
    },
  })
  exceptionRoutes(app, {
    ...exceptions,
    ...evidence,
    maximumDays: settings.exceptionDays,
    resolveImage: findImages,
    wake,
    ...publicUrl,
  })
  policyRoutes(app, { ...judging, identity, wake })
  promotionRoutes(app, { ...evidence, identity, events, registry, ...publicUrl })
  notificationRoutes(app, { ...notifications, identity, wake })
  const nodeParts = { database, clock, identity, trustDays: settings.runtimeTrustDays }
  runtimeRoutes(app, nodeParts)
  let nodeListener: NodeListener | undefined

  return {
    app,
    oneTimePassword,
    start: () => runner.start(),
    async listenToNodes(listen) {
      const names = settings.nodeHostNames
      nodeListener = await startNodeListener({
        ...nodeParts,
        log,
        failureStatuses,
        listen,
        names,
        version,
      })
      return nodeListener.port
    },
    async stop() {
      await app.close()
      await nodeListener?.close()
      await runner.stop()
      await registryDoor.close()
      vulnerabilities.close()
      await database.destroy()
      lock.release()
    },
  }
}

/** What else happens when content comes or goes: the first verdict, and a line in the audit log. */
function registryEvents(identity: Identity, clock: Clock, wake: () => void): RegistryEvents {
  return {
    async manifestPushed(transaction, event) {
      await judgePushedManifest(clock, transaction, event)
      const { repository, digest, tags, caller } = event
      await identity.audit(transaction, caller, 'manifest.push', `${repository.name}@${digest}`, {
        tags,
      })
    },
    async contentDeleted(transaction, { repository, what, name, caller }) {
      await identity.audit(transaction, caller, `${what}.delete`, `${repository.name} ${name}`)
    },
    assertTagMutable,
    committed: wake,
  }
}

/** Tells those who want to know of a verdict, in the transaction that writes it. */
async function tellOfVerdict(transaction: DatabaseTransaction, change: VerdictChange): Promise<void> {
  const { verdict, before, ...image } = change
  const event = verdictEvent({
    ...image,
    ...(before === undefined ? {} : { from: before }),
    to: verdict.state,
    reasons: verdict.reasons.filter((reason) => reason.outcome === 'pass' || countsAgainst(reason)),
    at: verdict.judgedAt,
    ...(verdict.graceUntil === undefined ? {} : { graceUntil: verdict.graceUntil }),
  })
  if (event) await notify(transaction, event)
}

/** Tells those who want to know of new findings, in every repository that holds the image. */
async function tellOfFindings(transaction: DatabaseTransaction, change: FindingsChange): Promise<void> {
  const { digest, databaseVersion, added, at } = change
  const holding = await transaction
    .selectFrom('repository_manifest')
    .innerJoin('repository', 'repository.id', 'repository_manifest.repository_id')
    .select('repository.name')
    .where('digest', '=', digest)
    .execute()
  for (const { name } of holding) {
    await notify(
      transaction,
      newFindingsEvent({ repository: name, digest, databaseVersion, at, findings: added }),
    )
  }
}

/** Tells those who want to know of the vulnerability database. */
async function tellOfDatabase(transaction: DatabaseTransaction, event: DatabaseEvent): Promise<void> {
  await notify(transaction, databaseEvent(event))
}

/** Tells those who want to know of an exception, in the transaction that changes it. */
async function tellOfException(transaction: DatabaseTransaction, change: ExceptionChange): Promise<void> {
  const event = exceptionEvent(change)
  if (event) await notify(transaction, event)
}

async function findFaults(database: Database): Promise<string[]> {
  try {
    await database.selectFrom('revision').select('value').limit(1).execute()
    return []
  } catch (error) {
    return [`database: ${(error as Error).message}`]
  }
}

function gauges(database: Database): MetricGauge[] {
  const countBy = async (table: 'verdict' | 'job'): Promise<Record<string, number>> => {
    const rows = await database
      .selectFrom(table)
      .select((expression) => ['state', expression.fn.countAll<number>().as('count')])
      .groupBy('state')
      .execute()
    return Object.fromEntries(rows.map((row) => [row.state, Number(row.count)]))
  }
  return [
    { name: 'pratique_verdicts', help: 'Verdicts by state', label: 'state', read: () => countBy('verdict') },
    { name: 'pratique_jobs', help: 'Jobs by state', label: 'state', read: () => countBy('job') },
  ]
}
