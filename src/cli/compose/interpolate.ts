import { CommandError } from '../client.ts'

const pattern = /\$(?:\$|\{([A-Za-z_]\w*)(?:(:?[-?])([^}]*))?\}|([A-Za-z_]\w*))/g

/**
 * Puts variables in place (Compose Specification, "Interpolation"): `$NAME`, `${NAME}`, `${NAME:-default}`,
 * `${NAME-default}`, `${NAME:?message}`, `${NAME?message}`; `$$` is a dollar sign. Unlike elsewhere a name that has no
 * value and no default is an error, not an empty text. Throws `CommandError`.
 */
export function interpolate(text: string, environment: Readonly<Record<string, string | undefined>>): string {
  return text.replace(pattern, (whole, braced?: string, operator?: string, rest = '', plain?: string) => {
    const name = braced ?? plain
    if (name === undefined) return '$'
    const value = environment[name]
    const isMissing = value === undefined || (operator?.startsWith(':') === true && value === '')
    if (!isMissing) return value
    if (operator?.endsWith('-')) return rest
    throw new CommandError(
      operator === undefined
        ? `${whole} has no value: set ${name}, or give a default as in \${${name}:-default}`
        : `${name} has no value: ${rest || 'the compose file asks for one'}`,
    )
  })
}
