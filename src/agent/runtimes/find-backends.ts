import { statSync } from 'node:fs'
import type { BackendConfig } from '../../runtime/offline.ts'

/** Sockets of CRI runtimes where their packages put them; the first is asked first. */
const usualSockets = [
  { name: 'containerd', socket: '/run/containerd/containerd.sock' },
  { name: 'cri-o', socket: '/run/crio/crio.sock' },
  { name: 'cri-dockerd', socket: '/run/cri-dockerd.sock' },
] as const

/** What the agent puts behind itself when nothing is configured: every runtime daemon, the engine, and Wasm. */
export function findBackends(
  isSocket = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isSocket() === true,
): BackendConfig[] {
  const daemons = usualSockets.filter(({ socket }) => isSocket(socket))
  return [
    ...daemons.map(({ name, socket }) => ({ kind: 'cri' as const, name, socket })),
    { kind: 'engine', name: 'engine' },
    { kind: 'wasm', name: 'wasm' },
  ]
}
