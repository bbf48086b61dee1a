import { CommandError } from '../client.ts'

/** Text, with variables in it. */
type Template = readonly (string | Variable)[]

interface Variable {
  /** As it is written, up to its operator. */
  readonly written: string
  readonly name: string
  readonly operator: string
  /** What follows the operator: a default, another text or a message. */
  readonly operand: Template
}

type Environment = Readonly<Record<string, string | undefined>>

/** `$$`, `${NAME` with its operator, `$NAME`, the end of a variable, and all else. */
const token = /(\$\$)|\$\{([A-Za-z_]\w*)(:?[-?+])?|\$([A-Za-z_]\w*)|(\})|(\$\{)|[^$}]+|\$/y
/** Nobody writes more defaults of defaults. */
const maximumDepth = 20

/**
 * Puts variables in place (Compose Specification, "Interpolation"): `$NAME`, `${NAME}`, `${NAME:-default}`,
 * `${NAME:+other}`, `${NAME:?message}`, these without the colon, and one in the other; `$$` is a dollar sign. Unlike
 * elsewhere a name that has no value and no default is an error, not an empty text, as is a `${` that is not
 * understood. Throws `CommandError`.
 */
export function interpolate(text: string, environment: Environment): string {
  return fill(read(text, 0, 0).template, environment)
}

function read(text: string, from: number, depth: number): { template: Template; end: number } {
  const template: (string | Variable)[] = []
  let at = from
  while (at < text.length) {
    token.lastIndex = at
    const [whole = '', escaped, braced, operator, plain, end, unknown] = token.exec(text) ?? []
    if (unknown !== undefined || depth > maximumDepth) throw notUnderstood(text.slice(at))
    const after = at + whole.length
    if (end !== undefined && depth > 0) return { template, end: after }
    if (braced !== undefined) {
      const operand = readOperand(text, after, operator === undefined ? 0 : depth + 1)
      if (!operand) throw notUnderstood(text.slice(at))
      const written = operator === undefined ? `\${${braced}}` : braced
      template.push({ written, name: braced, operator: operator ?? '', operand: operand.template })
      at = operand.end
      continue
    }
    template.push(
      plain === undefined
        ? escaped === undefined
          ? whole
          : '$'
        : { written: whole, name: plain, operator: '', operand: [] },
    )
    at = after
  }
  if (depth > 0) throw notUnderstood(text)
  return { template, end: at }
}

/** Without an operator there is nothing before the end. */
function readOperand(text: string, from: number, depth: number) {
  if (depth > 0) return read(text, from, depth)
  return text[from] === '}' ? { template: [], end: from + 1 } : undefined
}

function notUnderstood(text: string): CommandError {
  return new CommandError(
    `${text.slice(0, 60)} is not understood: variables are as \${NAME}, \${NAME:-default}, \${NAME:+other} or \${NAME:?message}; a plain \${ is written as $\${`,
  )
}

function fill(template: Template, environment: Environment): string {
  return template.map((part) => (typeof part === 'string' ? part : valueOf(part, environment))).join('')
}

function valueOf({ written, name, operator, operand }: Variable, environment: Environment): string {
  const value = environment[name]
  const isMissing = value === undefined || (operator.startsWith(':') && value === '')
  if (operator.endsWith('+')) return isMissing ? '' : fill(operand, environment)
  if (!isMissing) return value
  if (operator.endsWith('-')) return fill(operand, environment)
  throw new CommandError(
    operator === ''
      ? `${written} has no value: set ${name}, or give a default as in \${${name}:-default}`
      : `${name} has no value: ${fill(operand, environment) || 'the compose file asks for one'}`,
  )
}
