import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { CommandError } from './client.ts'
import type { Context } from './commands.ts'
import { print, printJson } from './print.ts'

const hourMs = 3_600_000
const defaultConfigPath = '/etc/pratique/node.json'

/** `pratique node break-glass`: run what is refused, for a while, with a name and a reason that are kept. */
export function breakGlassCommand(node: Command, context: Context): void {
  node
    .command('break-glass')
    .description('let an image run on this node although it is refused')
    .argument('<digest>', 'sha256:… of the image')
    .requiredOption('--reason <text>', 'why; it goes into the audit log')
    .option('--hours <number>', 'for how long; the policy says how long at most', '1')
    .action(async (digest: string, { reason, hours }: { reason: string; hours: string }) => {
      const { placesOf, writePermit, CriFailure } = await import('../agent/serve.ts')
      const { readNodeConfig } = await import('../agent/index.ts')
      const lasting = Number(hours)
      if (!(lasting > 0 && lasting <= 168))
        throw new CommandError(`--hours takes a number up to 168, not ${hours}`)
      const config = readNodeConfig(process.env['PRATIQUE_NODE_CONFIG'] ?? defaultConfigPath)
      const from = Date.now()
      const until = from + Math.round(lasting * hourMs)
      const by = process.env['SUDO_USER'] ?? userInfo().username
      try {
        writePermit(join(placesOf(config.agent).state, 'permits'), {
          digest: digest as never,
          reason,
          by,
          from,
          until,
        })
      } catch (error) {
        throw error instanceof CriFailure ? new CommandError(error.message) : error
      }
      if (context.isJson()) return printJson({ digest, by, reason, until })
      print(
        `${digest} may run here until ${new Date(until).toISOString()}, if the policy lets glass be broken`,
      )
      print('That it runs, and why, is written down and told to the server')
    })
}
