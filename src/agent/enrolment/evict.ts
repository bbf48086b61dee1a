import type { Clearance } from '../clearance/open-clearance.ts'
import { encode } from '../cri/protocol.ts'
import type { ReportParts, RunningHere } from './report-node.ts'

const graceSeconds = 30
/** With what a runtime needs to kill it. */
const stopMs = (graceSeconds + 30) * 1_000

/**
 * What the server's policy wants off the node now, whatever it wanted when the image was cleared. What glass was broken
 * for stays until that ends.
 */
export function findEvictable(
  running: readonly RunningHere[],
  clearance: Clearance,
  now: number,
): readonly RunningHere[] {
  return running.filter(
    ({ report, cleared }) =>
      (cleared?.breakGlass?.until ?? 0) <= now &&
      !(cleared && clearance.isPermitted(cleared)) &&
      clearance.findWithdrawn(report)?.action === 'evict',
  )
}

type EvictParts = Pick<ReportParts, 'backend' | 'clearance' | 'clock' | 'log'>

/**
 * Stops one container, asked first and killed after its grace. One each report and no more: a service of several
 * replicas has time to come up elsewhere, and whoever drains the node is not overtaken. The kubelet cannot start it
 * again, as its image is refused. One that cannot be stopped holds up no other. Never throws.
 */
export async function evictOne(parts: EvictParts, evictable: readonly RunningHere[]): Promise<void> {
  const deadline = performance.now() + stopMs
  const from = Math.floor(Math.random() * evictable.length)
  for (const one of [...evictable.slice(from), ...evictable.slice(0, from)]) {
    if ((await isEvicted(parts, one)) || performance.now() >= deadline) return
  }
}

async function isEvicted(
  { backend, clearance, clock, log }: EvictParts,
  { report: { pod, container }, image: { name, digest } }: RunningHere,
): Promise<boolean> {
  const image = `${name}@${digest}`
  log.warn({ pod, container, image }, 'a container is stopped as its image is no longer cleared')
  try {
    await backend.call(
      'StopContainer',
      encode('StopContainerRequest', { containerId: container, timeout: graceSeconds }),
      { signal: AbortSignal.timeout(stopMs) },
    )
    clearance.journal.append('evicted', clock.now(), { image, pod, container })
    return true
  } catch (error) {
    log.error(
      { pod, container, image, why: (error as Error).message },
      'it could not be stopped; the next report tries again',
    )
    return false
  }
}
