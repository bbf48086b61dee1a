import { join } from 'node:path'
import type { Clock } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import type { AgentConfig, BackendConfig } from '../runtime/offline.ts'
import type { Places } from './agent-places.ts'
import type { Backend } from './cri/backend.ts'
import { connectBackend } from './cri/connect-backend.ts'
import { CriFailure } from './cri/failures.ts'
import { findBackends } from './runtimes/find-backends.ts'
import { findRuntimes } from './runtimes/find-runtimes.ts'
import type { ReportedBackend } from './runtimes/report-runtimes.ts'

export interface OpenedBackend extends ReportedBackend {
  readonly backend: Backend
}

export interface BackendSurroundings {
  readonly places: Places
  readonly clock: Clock
  readonly log: Log
  readonly version: string
  /** URL of a registry, where that is not what its name says. */
  readonly serverOf: (host: string) => string | undefined
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

async function openOne(config: BackendConfig, surroundings: BackendSurroundings): Promise<OpenedBackend> {
  const { kind, name } = config
  const { places, clock, log, version, serverOf } = surroundings
  const own = {
    name,
    stateFolder: join(places.state, name),
    runFolder: join(places.run, name),
    content: { serverOf },
    clock,
    log,
    version,
  }
  switch (kind) {
    case 'cri': {
      const backend = connectBackend(name, config.socket)
      return { kind, backend, ...(config.handlers ? { handlers: config.handlers } : {}) }
    }
    case 'engine': {
      const { openEngine } = await import('./engine/open-engine.ts')
      const cni = {
        ...(config.cniConfig ? { configFolder: config.cniConfig } : {}),
        ...(config.cniPlugins ? { pluginFolders: config.cniPlugins } : {}),
      }
      return { kind, backend: await openEngine({ ...own, cni, runtimes: findRuntimes(config.runtimes) }) }
    }
    case 'wasm': {
      const { openWasm } = await import('./wasm/open-wasm.ts')
      return { kind, backend: await openWasm({ ...own, memoryBytes: config.memoryBytes }) }
    }
  }
}
