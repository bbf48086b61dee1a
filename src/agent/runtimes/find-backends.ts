import type { AgentConfig, BackendConfig } from '../../runtime/offline.ts'
import type { Machine } from '../doctor/types.ts'
import { findDaemons } from './find-daemons.ts'

/**
 * What the agent puts behind itself: what is configured, or else every runtime daemon whose socket is there, the
 * engine, and Wasm.
 */
export function findBackends(
  config?: Pick<AgentConfig, 'backends'>,
  machine: Pick<Machine, 'root'> = { root: '/' },
): BackendConfig[] {
  if (config?.backends) return config.backends
  const daemons = findDaemons(machine).filter(({ isCri }) => isCri)
  return [
    ...daemons.map(({ name, socket }) => ({ kind: 'cri' as const, name, socket })),
    { kind: 'engine', name: 'engine' },
    { kind: 'wasm', name: 'wasm' },
  ]
}
