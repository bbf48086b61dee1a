import type { Clock } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import type { AgentConfig, BackendConfig } from '../runtime/offline.ts'
import type { Places } from './agent-places.ts'
import type { Backend } from './cri/backend.ts'
import { connectBackend } from './cri/connect-backend.ts'
import { CriFailure } from './cri/failures.ts'
import { findBackends } from './runtimes/find-backends.ts'
import type { ReportedBackend } from './runtimes/report-runtimes.ts'

export interface OpenedBackend extends ReportedBackend {
  readonly backend: Backend
}

export interface BackendSurroundings {
  readonly places: Places
  readonly clock: Clock
  readonly log: Log
}

/** The runtimes that the configuration names, or those that are found. Throws INVALID_ARGUMENT for a name twice. */
export async function openBackends(
  config: AgentConfig,
  surroundings: BackendSurroundings,
): Promise<OpenedBackend[]> {
  const wanted = config.backends ?? findBackends()
  const twice = wanted.find(({ name }, index) => wanted.findIndex((one) => one.name === name) < index)
  if (twice) {
    throw new CriFailure(
      'INVALID_ARGUMENT',
      `two backends are called ${twice.name}; give each a name of its own`,
    )
  }
  return Promise.all(wanted.map((one) => openOne(one, surroundings)))
}

async function openOne(config: BackendConfig, _surroundings: BackendSurroundings): Promise<OpenedBackend> {
  if (config.kind === 'cri') {
    const backend = connectBackend(config.name, config.socket)
    return { kind: 'cri', backend, ...(config.handlers ? { handlers: config.handlers } : {}) }
  }
  throw new CriFailure('INVALID_ARGUMENT', config.kind)
}
