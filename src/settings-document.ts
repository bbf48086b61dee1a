import { settingsTable } from './settings.ts'

/** The page of the documentation that lists every setting, made from the settings themselves. */
export function settingsDocument(): string {
  const rows = Object.entries(settingsTable).map(([name, setting]) => {
    const fallback = setting.default === undefined ? '' : `\`${JSON.stringify(setting.default)}\``
    return `| \`${name}\` | \`${setting.environment}\` | ${fallback} | ${setting.help} |`
  })
  return [
    '# Settings',
    '',
    'Flags of `pratique serve` (`--data-dir`) win over the environment, that over the YAML file that `PRATIQUE_CONFIG` or',
    '`--config` names, that over the defaults. Unknown names are refused, with the nearest known one. Lists are separated by',
    'commas in the environment. This page is made by `npm run docs:settings`.',
    '',
    '| in the file | environment | default | what |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}
