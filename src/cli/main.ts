import { Command, CommanderError } from 'commander'
import { Client, CommandError, exitCodes } from './client.ts'
import { commands } from './commands.ts'

const neededNode = 24

/** Runs a command line. Gives the exit code. */
async function main(argv: readonly string[]): Promise<number> {
  const [major = 0] = process.versions.node.split('.').map(Number)
  if (major < neededNode) {
    process.stderr.write(
      `pratique needs Node ${neededNode} or newer, and this is ${process.versions.node}; npm ci brings it\n`,
    )
    return exitCodes.error
  }
  const program = new Command('pratique')
    .description('A private container registry and the gate in front of it')
    .option('--server <url>', 'server to talk to (PRATIQUE_SERVER)')
    .option('--json', 'print JSON')
    .enablePositionalOptions()
    .exitOverride()
    .configureHelp({ helpWidth: 80, subcommandTerm })
    .showHelpAfterError('(pratique --help shows the commands)')
  const options = (): { server?: string; json?: boolean } => program.opts()
  const context = {
    client: () => new Client(options().server === undefined ? {} : { server: options().server as string }),
    isJson: () => options().json === true,
    isServerNamed: () => options().server !== undefined,
  }
  for (const add of commands) add(program, context)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return Number(process.exitCode ?? exitCodes.pass)
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.pass : exitCodes.error
    if (!(error instanceof Error)) throw error
    process.stderr.write(`pratique: ${error.message}\n`)
    return error instanceof CommandError ? error.exitCode : exitCodes.error
  }
}

/** A command in a list: short enough for what it does to stand beside it; its own help tells the rest. */
function subcommandTerm(command: Command): string {
  const isFirst = command.parent?.parent === null
  const taken = command.registeredArguments.map((one) =>
    one.required ? `<${one.name()}>` : `[${one.name()}]`,
  )
  return isFirst ? command.name() : [command.name(), ...taken].join(' ')
}

// Whoever reads our output may have seen enough, as `head` has: that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

process.exitCode = await main(process.argv.slice(2))
