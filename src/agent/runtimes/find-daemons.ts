import { findStats } from '../doctor/machine-files.ts'
import type { Machine } from '../doctor/types.ts'

/** A daemon of this machine that runs containers, by its socket. */
export interface FoundDaemon {
  readonly name: 'containerd' | 'cri-o' | 'cri-dockerd' | 'docker'
  readonly socket: string
  /** It speaks the CRI, so that the agent can put it behind itself. */
  readonly isCri: boolean
}

/** CRI runtimes in the order in which they are asked, and Docker Engine, which is none. */
const usualSockets: readonly FoundDaemon[] = [
  { name: 'containerd', socket: '/run/containerd/containerd.sock', isCri: true },
  { name: 'cri-o', socket: '/run/crio/crio.sock', isCri: true },
  { name: 'cri-dockerd', socket: '/run/cri-dockerd.sock', isCri: true },
  { name: 'docker', socket: '/run/docker.sock', isCri: false },
]

/** The daemons whose sockets are there; whether they answer is another question. */
export function findDaemons(machine: Pick<Machine, 'root'>): FoundDaemon[] {
  return usualSockets.filter(({ socket }) => findStats(machine as Machine, socket)?.isSocket() === true)
}

/** What to tell of Docker Engine without cri-dockerd; undefined where nothing is to be told. */
export function explainDocker(daemons: readonly FoundDaemon[]): string | undefined {
  const names = daemons.map(({ name }) => name)
  if (!names.includes('docker') || names.some((name) => name !== 'docker')) return undefined
  return 'Docker Engine is no runtime of Kubernetes any more (the dockershim was removed in 1.24): images that were built with it run as they are in containerd, in CRI-O and in the embedded engine'
}
