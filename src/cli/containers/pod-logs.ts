import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { PodSandboxMetadata } from '../../agent/serve.ts'

/** Of pods that were made by this command line. */
export const localNamespace = 'pratique-local'

/** Where pods of ours have their logs, each in a folder that is called by its uid. */
export function logsFolder(socket: string): string {
  return join(dirname(socket), 'logs')
}

/** With the pod its log goes. That of a pod of somebody else is theirs. */
export function removeLogs(socket: string, { namespace, uid }: PodSandboxMetadata): void {
  // The uid is a name in a path.
  if (namespace !== localNamespace || !/^[0-9a-f-]{36}$/.test(uid)) return
  rmSync(join(logsFolder(socket), uid), { recursive: true, force: true })
}
