import type { Backend } from '../cri/backend.ts'
import { amend, decode, type CallName } from '../cri/protocol.ts'
import { mapItems } from '../cri/splice.ts'
import type { RouterParts } from './types.ts'

/** An answer of a backend with the handlers of its pods named as pods name them, and all else as it was. */
export function renameHandlers(
  { handlers }: RouterParts,
  backend: Backend,
  call: CallName,
  answer: Buffer,
): Buffer {
  const rename = renamers[call]
  const names = new Map(
    handlers()
      .filter((one) => one.backend === backend && one.backendHandler !== one.handler)
      .map(({ backendHandler, handler }) => [backendHandler, handler]),
  )
  return rename && names.size > 0 ? rename(answer, names) : answer
}

type Rename = (answer: Buffer, names: ReadonlyMap<string, string>) => Buffer

const renameItems: Rename = (answer, names) =>
  mapItems(answer, 1, (item) => {
    const name = names.get(decode('PodSandbox', item).runtimeHandler)
    return name === undefined ? item : amend('PodSandbox', item, [], { runtimeHandler: name })
  })

const renamers: Readonly<Partial<Record<CallName, Rename>>> = {
  ListPodSandbox: renameItems,
  StreamPodSandboxes: renameItems,
  PodSandboxStatus(answer, names) {
    const name = names.get(decode('PodSandboxStatusResponse', answer).status?.runtimeHandler ?? '')
    if (name === undefined) return answer
    return amend('PodSandboxStatusResponse', answer, ['status'], { runtimeHandler: name })
  },
  GetContainerEvents(event, names) {
    const name = names.get(decode('ContainerEventResponse', event).podSandboxStatus?.runtimeHandler ?? '')
    if (name === undefined) return event
    return amend('ContainerEventResponse', event, ['podSandboxStatus'], { runtimeHandler: name })
  },
}
