import type { Command } from 'commander'
import { CommandError } from './client.ts'
import { print } from './print.ts'

/** `pratique completion`: a script for the shell, made from the commands themselves. */
export function completionCommand(program: Command): void {
  program
    .command('completion <shell>')
    .description('completion script for bash, zsh or fish')
    .action((shell: string) => {
      const script = scripts[shell]
      if (!script) throw new CommandError(`${shell} is not bash, zsh or fish`)
      print(script(listWords(program)))
    })
}

/** For each command its subcommands and options; the root under the empty name. */
function listWords(program: Command): ReadonlyMap<string, readonly string[]> {
  const words = new Map<string, string[]>()
  const visit = (command: Command, path: string): void => {
    const flags = command.options
      .map((option) => option.long ?? option.short ?? '')
      .filter((flag) => flag !== '')
    words.set(path, [...command.commands.map((child) => child.name()), ...flags, '--help'])
    for (const child of command.commands) visit(child, `${path} ${child.name()}`.trim())
  }
  visit(program, '')
  return words
}

const scripts: Readonly<Record<string, (words: ReadonlyMap<string, readonly string[]>) => string>> = {
  bash: (words) => `${bashFunction(words)}\ncomplete -o default -F _pratique pratique`,
  zsh: (words) =>
    `#compdef pratique\nautoload -U +X bashcompinit && bashcompinit\n${bashFunction(words)}\ncomplete -o default -F _pratique pratique`,
  fish: (words) =>
    [...words]
      .flatMap(([path, candidates]) => {
        const condition =
          path === '' ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${path.split(' ').at(-1)}`
        return candidates.map((word) =>
          word.startsWith('--')
            ? `complete -c pratique -n '${condition}' -l ${word.slice(2)}`
            : `complete -c pratique -n '${condition}' -f -a ${word}`,
        )
      })
      .join('\n'),
}

function bashFunction(words: ReadonlyMap<string, readonly string[]>): string {
  const cases = [...words].map(([path, candidates]) => `    "${path}") words="${candidates.join(' ')}" ;;`)
  return [
    '_pratique() {',
    '  local path="" word words=""',
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
    '    [[ $word == -* ]] || path="${path:+$path }$word"',
    '  done',
    '  case "$path" in',
    ...cases,
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))',
    '}',
  ].join('\n')
}
