import { Option, type Command } from 'commander'
import { readSettings, settingsTable } from '../settings.ts'

/** `pratique serve`: one flag for every setting. */
export function serveCommand(program: Command): void {
  const command = program.command('serve').description('serve the registry and the API')
  command.option('--config <file>', 'settings file in YAML (PRATIQUE_CONFIG)')
  for (const [name, { help, environment }] of Object.entries(settingsTable)) {
    // Whoever can list processes can read flags, so passwords are none.
    if (name === 'adminPassword' || name === 'smtpPassword') continue
    const flag = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    command.addOption(new Option(`--${flag} <value>`, `${help} (${environment})`))
  }
  command.action(async (flags: Record<string, unknown>) => {
    const settings = readSettings(process.env, flags)
    const { serve } = await import('../main.ts')
    await serve(settings)
  })
}
