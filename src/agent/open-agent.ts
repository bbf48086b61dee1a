import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import type { NodeConfig } from '../runtime/offline.ts'
import { placesOf, type Places } from './agent-places.ts'
import { ClearanceStore } from './clearance/clearance-store.ts'
import { gateBackend } from './clearance/gate-backend.ts'
import { NodeJournal } from './clearance/node-journal.ts'
import { Clearance } from './clearance/open-clearance.ts'
import { openVerifier } from './clearance/open-verifier.ts'
import type { Backend } from './cri/backend.ts'
import { requireUnserved, serveCri } from './cri/serve-cri.ts'
import { enrolmentFolder } from './enrolment/enrolment-folder.ts'
import { fetchTrust, peekTrust } from './enrolment/fetch-trust.ts'
import { startReporting } from './enrolment/report-node.ts'
import { readEnrolment, ServerLink } from './enrolment/server-link.ts'
import { nodeService } from './node-service.ts'
import { openBackends, type OpenedBackend } from './open-backends.ts'
import { normalizeHost } from './normalize-host.ts'
import { readCredentials, readNodeConfig } from './read-node.ts'
import { openRouter } from './router/open-router.ts'
import type { RouterParts } from './router/types.ts'
import { chooseHandler, isAtLeast } from './runtimes/choose-handler.ts'
import { KnownRuntimes } from './runtimes/known-reports.ts'
import { readNeed } from './runtimes/read-need.ts'

/** A trust is fetched again this long before it ends. */
const trustAheadMs = 3 * 86_400_000

export interface AgentParts {
  /** `node.json`. */
  readonly configPath: string
  readonly version: string
  readonly clock: Clock
  readonly log: Log
}

/** The agent as it serves. */
export interface Agent {
  readonly places: Places
  readonly clearance: Clearance
  readonly runtimes: KnownRuntimes
  readonly backend: Backend
  readonly close: () => Promise<void>
}

/** Opens the runtimes of the node, puts the gate before each, joins them up and serves them. Throws `CriFailure`. */
export async function openAgent({ configPath, version, clock, log }: AgentParts): Promise<Agent> {
  const config = readNodeConfig(configPath)
  const places = placesOf(config.agent)
  await requireUnserved(places.socket)
  mkdirSync(places.state, { recursive: true, mode: 0o700 })
  mkdirSync(places.run, { recursive: true, mode: 0o700 })
  const clearance = openClearance(configPath, places, clock, log)
  const isOurs = (host: string): boolean => normalizeHost(host) === normalizeHost(config.registry)
  const opened = await openBackends(config.agent ?? {}, {
    places,
    clock,
    log,
    version,
    serverOf: (host) => (isOurs(host) ? config.server : undefined),
  })
  const runtimes = await KnownRuntimes.open(opened, {
    ...(config.agent?.handlers ? { handlers: config.agent.handlers } : {}),
    path: join(places.state, 'runtimes.json'),
    log,
  })
  const gates = new Map(
    opened.map((one) => [one.backend.name, gateOne(one, { clearance, runtimes, config, configPath })]),
  )
  const destinationOf = (report: { handler: string; backend: string; backendHandler: string }) => ({
    handler: report.handler,
    backend: gates.get(report.backend) as Backend,
    backendHandler: report.backendHandler,
  })
  const choose: RouterParts['choose'] = (handler, pod) =>
    destinationOf(
      chooseHandler({ handler, need: readNeed(pod) }, runtimes.list(), {
        defaultHandler: config.agent?.defaultHandler,
      }),
    )
  const backend = openRouter({
    backends: [...gates.values()],
    version,
    handlers: () => runtimes.list().map(destinationOf),
    choose,
  })
  const services = [nodeService({ backend, clearance, choose, log })]
  const door = await serveCri({ socket: places.socket, backend, log, services })
  const reporting = startReports({
    configPath,
    config,
    places,
    clearance,
    runtimes,
    backend,
    version,
    clock,
    log,
  })
  return {
    places,
    clearance,
    runtimes,
    backend,
    async close() {
      reporting?.close()
      await door.close()
      runtimes.close()
      await clearance.close()
      await backend.close()
    },
  }
}

interface ReportSurroundings extends Omit<Agent, 'close'>, AgentParts {
  readonly config: NodeConfig
}

/** Tells the server of this node, where it has enrolled. */
function startReports(parts: ReportSurroundings): { readonly close: () => void } | undefined {
  const { configPath, config, places, clearance, clock } = parts
  const folder = enrolmentFolder(configPath)
  const enrolment = readEnrolment(folder)
  if (!enrolment) return undefined
  const link = new ServerLink(folder, enrolment)
  return startReporting({
    ...parts,
    link,
    folder,
    stateFolder: places.state,
    isOurs: (host) => normalizeHost(host) === normalizeHost(config.registry),
    async refreshTrust(policyVersion) {
      const kept = peekTrust({ configPath, config })
      const isFresh = kept?.policyVersion === policyVersion && kept.expiresAt - clock.now() > trustAheadMs
      if (!isFresh) await clearance.keepTrust(await fetchTrust(link, config))
    },
  })
}

function openClearance(configPath: string, { state }: Places, clock: Clock, log: Log): Clearance {
  return new Clearance({
    judge: openVerifier({ configPath }),
    store: new ClearanceStore(join(state, 'cleared'), log),
    journal: new NodeJournal(join(state, 'journal.jsonl')),
    clock,
    permitFolder: join(state, 'permits'),
  })
}

interface GateSurroundings {
  readonly clearance: Clearance
  readonly runtimes: KnownRuntimes
  readonly config: NodeConfig
  readonly configPath: string
}

function gateOne(
  { backend }: OpenedBackend,
  { clearance, runtimes, config, configPath }: GateSurroundings,
): Backend {
  return gateBackend(backend, {
    clearance,
    isolationOf: (handler) => runtimes.find(backend.name, handler)?.isolation,
    handlersWith: (level) =>
      runtimes.list().flatMap(({ isolation, handler }) => (isAtLeast(isolation, level) ? [handler] : [])),
    findSignIn: (host) =>
      normalizeHost(host) === normalizeHost(config.registry)
        ? readCredentials(configPath, config)
        : undefined,
  })
}
