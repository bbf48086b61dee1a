import type { CriHandlers } from '../cri/backend.ts'
import { describeContainerStatus, describePodStatus } from './describe.ts'
import type { EngineEvent, EngineParts } from './engine-parts.ts'

const maximumWaiting = 10_000

/** Everything that happens to containers, to all who listen. */
export function eventsOf(
  parts: Pick<EngineParts, 'pods' | 'containers' | 'clock'>,
  listeners: Set<(event: EngineEvent) => void>,
): Pick<CriHandlers, 'GetContainerEvents'> {
  return {
    async *GetContainerEvents(_, { signal }) {
      const waiting: EngineEvent[] = []
      let wake = (): void => {}
      const listener = (event: EngineEvent): void => {
        // Who does not keep up asks for lists again, as the kubelet does anyway.
        if (waiting.length < maximumWaiting) waiting.push(event)
        wake()
      }
      listeners.add(listener)
      signal.addEventListener('abort', () => wake())
      try {
        while (!signal.aborted) {
          for (let event = waiting.shift(); event; event = waiting.shift()) yield describe(parts, event)
          if (signal.aborted) return
          await new Promise<void>((resolve) => {
            wake = resolve
            if (waiting.length > 0) resolve()
          })
        }
      } finally {
        listeners.delete(listener)
      }
    },
  }
}

function describe(
  { pods, containers, clock }: Pick<EngineParts, 'pods' | 'containers' | 'clock'>,
  { id, podId, type }: EngineEvent,
) {
  const pod = pods.find(podId)
  return {
    containerId: id,
    containerEventType: type,
    createdAt: clock.now() * 1e6,
    podSandboxStatus: pod ? describePodStatus(pod) : null,
    containersStatuses: containers
      .list()
      .filter((one) => one.podId === podId)
      .map((one) => describeContainerStatus(one, '')),
  }
}
