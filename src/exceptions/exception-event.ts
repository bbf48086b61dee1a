import type { Exception, ExceptionChange } from './types.ts'

/** What people are told; the fields of a notification's event. */
export interface ExceptionEvent {
  readonly id: string
  readonly type: 'exception.requested' | 'exception.approved' | 'exception.rejected' | 'exception.expired'
  readonly at: number
  readonly subject: string
  /** The scope's pattern: those who are told of a part of it only are not told. */
  readonly repository: string
  readonly summary: string
  readonly data: Readonly<Record<string, unknown>>
}

/** What people are told of a change; undefined when they are not. */
export function exceptionEvent({ kind, exceptions }: ExceptionChange): ExceptionEvent | undefined {
  const [exception] = exceptions
  if (!exception || kind === 'withdrawn') return undefined
  const type = kind === 'imported' ? 'exception.requested' : (`exception.${kind}` as const)
  return {
    id: `${type}/${exception.id}`,
    type,
    at: exception.end?.at ?? exception.decision?.at ?? exception.requestedAt,
    subject: exception.id,
    repository: exception.scope.repositories,
    summary: summarise(kind, exception, exceptions.length),
    data: {
      ...exception.scope,
      ...(exception.rule ? { rule: exception.rule } : { vulnerability: exception.vulnerability }),
      status: exception.status,
      reason: exception.reason,
      until: new Date(exception.until).toISOString(),
      ...(exceptions.length > 1 ? { ids: exceptions.slice(0, 200).map(({ id }) => id) } : {}),
    },
  }
}

function summarise(kind: ExceptionChange['kind'], exception: Exception, count: number): string {
  const { vulnerability, status, requestedBy, decision, scope, rule } = exception
  const what = rule
    ? `an exception from the rule ${rule.name}${rule.clause === undefined ? '' : ` (${rule.clause})`} in ${scope.repositories}`
    : `${vulnerability} as ${status.replaceAll('_', ' ')} in ${scope.repositories}`
  switch (kind) {
    case 'imported':
      return `${requestedBy.name} asks for ${count} exceptions of a VEX document by ${exception.source?.author}`
    case 'requested':
      return `${requestedBy.name} asks for ${what}: ${exception.reason}`
    case 'expired':
      return rule ? `${what} ran out` : `the exception for ${what} ran out`
    default:
      return `${decision?.by.name} ${kind} ${what}, asked for by ${requestedBy.name}`
  }
}
