import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../kernel/clock.ts'
import type { Log } from '../../kernel/log.ts'
import type { NodeAnswer, NodeReport } from '../../runtime/wire.ts'
import type { Clearance } from '../clearance/open-clearance.ts'
import type { Backend } from '../cri/backend.ts'
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

export interface ReportParts {
  readonly link: ServerLink
  readonly folder: string
  readonly stateFolder: string
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
  for (const one of running) {
    const withdrawn = clearance.findWithdrawn(one.cleared)
    if (withdrawn)
      log.warn(
        { pod: one.report.pod, image: one.report.digest, reasons: withdrawn.reasons },
        'a container runs whose image is no longer cleared',
      )
  }
  await Promise.all([
    parts.refreshTrust(answer.policyVersion),
    evictOne(parts, findEvictable(running, clearance, clock.now())),
  ])
  return answer
}

/** A container that runs, as it is told and as it was cleared. */
export interface RunningHere {
  readonly report: NodeReport['running'][number]
  readonly podId: string
  readonly cleared: Clearance['store'] extends { list: () => readonly (infer One)[] } ? One : never
}

async function listRunning({ backend, clearance }: ReportParts): Promise<RunningHere[]> {
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
  return containers.flatMap((container) => {
    const image = container.imageId || container.image?.image || ''
    const specified = container.image?.userSpecifiedImage ?? ''
    const cleared =
      clearance.store.findImage(image, specified) ??
      clearance.store.findImage(container.image?.image ?? '', specified)
    const pod = pods.get(container.podSandboxId)
    if (!cleared) return []
    return [
      {
        podId: container.podSandboxId,
        cleared,
        report: {
          container: container.id,
          pod: `${pod?.metadata?.namespace ?? ''}/${pod?.metadata?.name ?? ''}`,
          repository: repositoryOf(cleared.name),
          digest: cleared.digest,
          handler: pod?.runtimeHandler ?? '',
          startedAt: Math.round(container.createdAt / 1e6),
        },
      },
    ]
  })
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
    running: running.slice(0, maximumHeld).map(({ report }) => report),
    cached: clearance.store
      .list()
      .slice(-maximumHeld)
      .map(({ name, digest }) => ({ repository: repositoryOf(name), digest })),
    events: clearance.journal
      .after(readAcknowledged(parts), eventsAtOnce)
      .map(({ sequence, at, kind, ...detail }) => ({ sequence, at, kind, detail })),
  }
}

function repositoryOf(name: string): string {
  return name.slice(name.indexOf('/') + 1)
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
