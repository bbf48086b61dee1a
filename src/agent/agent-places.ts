import { homedir } from 'node:os'
import { join } from 'node:path'
import type { AgentConfig } from '../runtime/offline.ts'
import { userNamespace } from './rootless/user-namespace.ts'

/** Where the agent keeps things. */
export interface Places {
  /** The CRI. */
  readonly socket: string
  /** What has to outlive the machine's restart. */
  readonly state: string
  /** What has not. */
  readonly run: string
}

/** The system's folders for root, and those of the account for anybody else (XDG Base Directory). */
export function placesOf(
  config: AgentConfig = {},
  who = { isRoot: isMachineRoot(), environment: process.env },
): Places {
  const { XDG_STATE_HOME, XDG_RUNTIME_DIR } = who.environment
  const state = who.isRoot
    ? '/var/lib/pratique/node'
    : join(XDG_STATE_HOME ?? join(homedir(), '.local/state'), 'pratique')
  const run = who.isRoot ? '/run/pratique' : join(XDG_RUNTIME_DIR ?? state, 'pratique')
  const found = { state: config.state ?? state, run: config.run ?? run }
  return { ...found, socket: config.socket ?? join(found.run, 'pratique.sock') }
}

/** The root of a user namespace is an account like others. */
function isMachineRoot(): boolean {
  return process.getuid?.() === 0 && userNamespace() === undefined
}
