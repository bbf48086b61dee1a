import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../kernel/clock.ts'
import type { Log } from '../../kernel/log.ts'
import type { NodeAnswer, NodeReport } from '../../runtime/wire.ts'
import { repositoryOf, type Clearance } from '../clearance/open-clearance.ts'
import type { Cleared } from '../clearance/types.ts'
import type { Backend, CallContext } from '../cri/backend.ts'
import { decode, encode } from '../cri/protocol.ts'
import type { KnownRuntimes } from '../runtimes/known-reports.ts'
import { evictOne, findEvictable } from './evict.ts'
import { writeWhole, type ServerLink } from './server-link.ts'

const firstMs = 1_000
const usualMs = 30_000
const longestMs = 300_000
const skewMs = 300_000
const renewBeforeMs = 3.5 * 86_400_000
const eventsAtOnce = 200
const maximumHeld = 5_000
/** What the server takes of each. */
const maximumName = 1_024

export interface ReportParts {
  readonly link: ServerLink
  readonly folder: string
  readonly stateFolder: string
  /** Whether it is the registry of this node: repositories of it are told without it. */
  readonly isOurs: (host: string) => boolean
  readonly backend: Backend
  readonly clearance: Clearance
  readonly runtimes: KnownRuntimes
  readonly version: string
  readonly clock: Clock
  readonly log: Log
  /** Fetches the trust anew when the server has another policy. */
  readonly refreshTrust: (policyVersion: number) => Promise<void>
}

/** Tells the server what runs here, again and again, and hears what is no longer cleared. Never throws, never grows. */
export function startReporting(parts: ReportParts): { readonly close: () => void } {
  let timer: NodeJS.Timeout | undefined
  let isClosed = false
  let failures = 0
  const again = (ms: number): void => {
    // Nodes that began together are not to come together for ever.
    if (!isClosed) timer = setTimeout(() => void round(), ms * (0.9 + Math.random() * 0.2)).unref()
  }
  const round = async (): Promise<void> => {
    try {
      const { reportEverySeconds } = await reportOnce(parts)
      failures = 0
      again(Math.min(longestMs, reportEverySeconds * 1_000))
    } catch (error) {
      failures++
      parts.log.warn({ why: (error as Error).message, failures }, 'the server was not told what runs here')
      again(Math.min(longestMs, usualMs * failures))
    }
  }
  again(firstMs)
  return {
    close() {
      isClosed = true
      clearTimeout(timer)
      parts.link.close()
    },
  }
}

/** One report, and all that follows from its answer. */
export async function reportOnce(parts: ReportParts): Promise<NodeAnswer> {
  const { link, clearance, clock, log, folder } = parts
  if (link.enrolment.expiresAt - clock.now() < renewBeforeMs) {
    const { renew } = await import('./enrol.ts')
    await renew(link, folder)
  }
  const running = await listRunning(parts)
  const answer = await link.post<NodeAnswer>('/node/v1/report', collect(parts, running))
  writeWhole(acknowledgedFile(parts), JSON.stringify({ lastEvent: answer.lastEvent }), 0o600)
  clearance.withdraw(answer.withdrawn)
  const skew = Math.abs(answer.serverTime - clock.now())
  if (skew > skewMs)
    log.warn(
      { skewMs: skew },
      'the clock of this node and that of the server differ; certificates and trust end by clocks',
    )
  clearance.store.forgetRemoved(running.flatMap(({ cleared }) => cleared ?? []))
  for (const { report, image, cleared } of running) {
    const { pod, container } = report
    const about = { pod, container, image: `${image.name}@${image.digest}` }
    const withdrawn = clearance.findWithdrawn(report)
    if (withdrawn)
      log.warn({ ...about, reasons: withdrawn.reasons }, 'a container runs whose image is no longer cleared')
    if (!cleared) log.warn(about, 'a container runs that was made past the agent: nothing cleared its image')
  }
  await Promise.all([
    parts
      .refreshTrust(answer.policyVersion)
      .catch((error: Error) =>
        log.warn({ why: error.message }, 'the trust was not fetched; the next report tries'),
      ),
    evictOne(parts, findEvictable(running, clearance, clock.now())),
  ])
  return answer
}

interface NamedImage {
  /** `host/repository`. */
  readonly name: string
  readonly digest: string
}

/** A container that runs, as it is told and as it was cleared. */
export interface RunningHere {
  readonly report: NodeReport['running'][number]
  readonly image: NamedImage
  /** Undefined when it was made past the agent. */
  readonly cleared: Cleared | undefined
}

async function listRunning({ backend, clearance, isOurs }: ReportParts): Promise<RunningHere[]> {
  const context = { signal: AbortSignal.timeout(usualMs) }
  const containers = decode(
    'ListContainersResponse',
    await backend.call(
      'ListContainers',
      encode('ListContainersRequest', { filter: { state: { state: 'CONTAINER_RUNNING' } } }),
      context,
    ),
  ).containers
  const pods = new Map(
    decode(
      'ListPodSandboxResponse',
      await backend.call('ListPodSandbox', encode('ListPodSandboxRequest', {}), context),
    ).items.map((pod) => [pod.id, pod]),
  )
  const running: RunningHere[] = []
  for (const container of containers.slice(0, maximumHeld)) {
    const ids = [container.imageId, container.image?.image ?? ''].filter((id) => id !== '')
    const specified = container.image?.userSpecifiedImage ?? ''
    const cleared = ids.map((id) => clearance.store.findRun(id, specified)).find((found) => found)
    const pod = pods.get(container.podSandboxId)
    const image = cleared ?? (await nameUnknown(backend, ids, specified, context))
    const [host = ''] = image.name.split('/', 1)
    running.push({
      image,
      cleared,
      report: {
        container: container.id,
        pod: short(`${pod?.metadata?.namespace ?? ''}/${pod?.metadata?.name ?? ''}`),
        repository: short(cleared || isOurs(host) ? repositoryOf(image.name) : image.name),
        digest: short(image.digest),
        handler: pod?.runtimeHandler ?? '',
        startedAt: Math.round(container.createdAt / 1e6),
      },
    })
  }
  return running
}

/** Names are whatever a client of a runtime gave: one that is too long is not to keep the whole report from being taken. */
function short(name: string): string {
  return name.slice(0, maximumName)
}

/** What an image is called that nothing cleared: as its registry has it, or else as its runtime does. */
async function nameUnknown(
  backend: Backend,
  [id = '', made = id]: readonly string[],
  specified: string,
  context: CallContext,
): Promise<NamedImage> {
  const request = encode('ImageStatusRequest', { image: { image: id } })
  const { image } = decode('ImageStatusResponse', await backend.call('ImageStatus', request, context))
  const [name, digest] = image?.repoDigests[0]?.split('@') ?? []
  return { name: name ?? (specified || made), digest: digest ?? image?.id ?? id }
}

function collect(parts: ReportParts, running: readonly RunningHere[]): NodeReport {
  const { runtimes, clearance, version } = parts
  return {
    agentVersion: version,
    runtimes: runtimes
      .list()
      .map(({ handler, backend, runtime, version: own, isolation, state, why, startMs, memoryBytes }) => ({
        handler,
        backend,
        runtime,
        state,
        ...(own === undefined ? {} : { version: own }),
        ...(isolation === undefined ? {} : { isolation }),
        ...(why === undefined ? {} : { why: why.slice(0, 4_000) }),
        ...(startMs === undefined ? {} : { startMs }),
        ...(memoryBytes === undefined ? {} : { memoryBytes }),
      })),
    running: running.map(({ report }) => report),
    cached: clearance.store
      .list()
      .slice(-maximumHeld)
      .map(({ name, digest }) => ({ repository: repositoryOf(name), digest })),
    events: clearance.journal
      .after(readAcknowledged(parts), eventsAtOnce)
      .map(({ sequence, at, kind, ...detail }) => ({ sequence, at, kind, detail })),
  }
}

function acknowledgedFile({ stateFolder }: ReportParts): string {
  return join(stateFolder, 'reported.json')
}

function readAcknowledged(parts: ReportParts): number {
  try {
    return Number(
      (JSON.parse(readFileSync(acknowledgedFile(parts), 'utf8')) as { lastEvent?: number }).lastEvent ?? 0,
    )
  } catch {
    return 0
  }
}
