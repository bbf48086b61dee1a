import type { Clearance } from '../clearance/open-clearance.ts'
import { encode } from '../cri/protocol.ts'
import type { ReportParts, RunningHere } from './report-node.ts'

const graceSeconds = 30

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
    ({ image, cleared }) =>
      (cleared?.breakGlass?.until ?? 0) <= now && clearance.findWithdrawn(image)?.action === 'evict',
  )
}

/**
 * Stops one container, asked first and killed after its grace. One each report and no more: a service of several
 * replicas has time to come up elsewhere, and whoever drains the node is not overtaken. The kubelet cannot start it
 * again, as its image is refused. Never throws.
 */
export async function evictOne(
  { backend, clearance, clock, log }: Pick<ReportParts, 'backend' | 'clearance' | 'clock' | 'log'>,
  evictable: readonly RunningHere[],
): Promise<void> {
  const [first] = evictable
  if (!first) return
  const { report } = first
  const image = `${first.image.name}@${first.image.digest}`
  log.warn(
    { pod: report.pod, image, left: evictable.length - 1 },
    'a container is stopped as its image is no longer cleared',
  )
  clearance.journal.append('evicted', clock.now(), { image, pod: report.pod, container: report.container })
  try {
    await backend.call(
      'StopContainer',
      encode('StopContainerRequest', { containerId: report.container, timeout: graceSeconds }),
      { signal: AbortSignal.timeout((graceSeconds + 30) * 1_000) },
    )
  } catch (error) {
    log.error(
      { pod: report.pod, image, why: (error as Error).message },
      'it could not be stopped; the next report tries again',
    )
  }
}
