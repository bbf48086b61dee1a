import type { Backend, CallContext } from '../cri/backend.ts'
import type { RuntimeCondition, StatusResponse } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'
import { decode, encode } from '../cri/protocol.ts'
import type { RouterParts } from './types.ts'

interface Told {
  readonly backend: Backend
  readonly status: StatusResponse
}

/**
 * The state of all backends as that of one: it is ready when all are, and where one is not, its name and reason are
 * said. Handlers are named as pods name them.
 */
export async function joinStatus(parts: RouterParts, request: Buffer, context: CallContext): Promise<Buffer> {
  const told = await Promise.all(parts.backends.map((backend) => ask(backend, request, context)))
  return encode('StatusResponse', {
    status: { conditions: joinConditions(told) },
    info: Object.fromEntries(
      told.flatMap(({ backend, status }) =>
        Object.entries(status.info).map(([name, value]) => [`${backend.name}.${name}`, value]),
      ),
    ),
    runtimeHandlers: parts.handlers().map(({ handler, backend, backendHandler }) => ({
      name: handler,
      features: featuresOf(told, backend, backendHandler) ?? {},
    })),
    features: told[0]?.status.features ?? {},
  })
}

async function ask(backend: Backend, request: Buffer, context: CallContext): Promise<Told> {
  try {
    return { backend, status: decode('StatusResponse', await backend.call('Status', request, context)) }
  } catch (error) {
    if (!(error instanceof CriFailure)) throw error
    const reason = error.code === 'UNAVAILABLE' ? 'RuntimeDoesNotAnswer' : 'RuntimeFails'
    const conditions = [{ type: 'RuntimeReady', status: false, reason, message: error.message }]
    const silent = encode('StatusResponse', { status: { conditions } })
    return { backend, status: decode('StatusResponse', silent) }
  }
}

function joinConditions(told: readonly Told[]): RuntimeCondition[] {
  const all = told.flatMap(({ backend, status }) =>
    (status.status?.conditions ?? []).map((condition) => ({ backend, condition })),
  )
  const types = [...new Set(all.map(({ condition }) => condition.type))]
  return types.map((type) => {
    const failing = all.filter(({ condition }) => condition.type === type && !condition.status)
    if (failing.length === 0) return { type, status: true, reason: '', message: '' }
    return {
      type,
      status: false,
      reason: failing[0]?.condition.reason ?? '',
      message: failing.map(({ backend, condition }) => `${backend.name}: ${condition.message}`).join('; '),
    }
  })
}

function featuresOf(told: readonly Told[], backend: Backend, handler: string) {
  const status = told.find((one) => one.backend === backend)?.status
  return status?.runtimeHandlers.find(({ name }) => name === handler)?.features
}
