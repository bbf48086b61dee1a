import type { Command } from 'commander'
import type { Client } from './client.ts'
import { accountCommands } from './account-commands.ts'
import { accessCommands } from './access-commands.ts'
import { completionCommand } from './completion.ts'
import { composeCommands } from './compose/compose-commands.ts'
import { containerCommands } from './containers/container-commands.ts'
import { exceptionCommands } from './exception-commands.ts'
import { fleetCommands } from './fleet-commands.ts'
import { imageCommands } from './image-commands.ts'
import { maintenanceCommands } from './maintenance-commands.ts'
import { nodeCommands } from './node-commands.ts'
import { notificationCommands } from './notification-commands.ts'
import { packageCommand } from './package-command.ts'
import { policyCommands } from './policy-commands.ts'
import { pushCommand } from './push-command.ts'
import { runtimesCommands } from './runtimes-command.ts'
import { sbomCommand } from './sbom-command.ts'
import { scanCommand } from './scan-command.ts'
import { serveCommand } from './serve-command.ts'
import { signCommands } from './sign-command.ts'
import { signerCommands } from './signer-commands.ts'
import { verifyCommands } from './verify-command.ts'
import { vulndbCommands } from './vulndb-commands.ts'

/** What every command is given. */
export interface Context {
  /** The server that the options, the environment or the last sign-in name. */
  client(): Client
  isJson(): boolean
  /** The command line names a server. */
  isServerNamed(): boolean
}

/** Every command, in the order in which help shows them. */
export const commands: readonly ((program: Command, context: Context) => void)[] = [
  serveCommand,
  accountCommands,
  imageCommands,
  scanCommand,
  sbomCommand,
  packageCommand,
  pushCommand,
  policyCommands,
  signCommands,
  verifyCommands,
  signerCommands,
  nodeCommands,
  runtimesCommands,
  fleetCommands,
  containerCommands,
  composeCommands,
  exceptionCommands,
  accessCommands,
  maintenanceCommands,
  vulndbCommands,
  notificationCommands,
  completionCommand,
]
