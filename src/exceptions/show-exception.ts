import type { Exception } from './types.ts'
import type { ExceptionBody } from './wire.ts'

/** An exception as the API shows it. */
export function show(exception: Exception): ExceptionBody {
  const { scope, decision, end, requestedBy, source, products } = exception
  return {
    id: exception.id,
    state: exception.state,
    ...(exception.rule
      ? { rule: exception.rule.name, ...(exception.rule.clause ? { clause: exception.rule.clause } : {}) }
      : { vulnerability: exception.vulnerability }),
    ...(exception.authority === undefined ? {} : { authority: exception.authority }),
    aliases: [...exception.aliases],
    status: exception.status,
    ...(exception.justification === undefined ? {} : { justification: exception.justification }),
    reason: exception.reason,
    ...(exception.ticket === undefined ? {} : { ticket: exception.ticket }),
    ...scope,
    ...(products === undefined
      ? {}
      : { products: products.map(({ id, subcomponents }) => ({ id, subcomponents: [...subcomponents] })) }),
    requestedBy: requestedBy.name,
    requestedAt: time(exception.requestedAt),
    until: time(exception.until),
    ...(decision === undefined
      ? {}
      : { decision: { ...decision, by: decision.by.name, at: time(decision.at) } }),
    ...(end === undefined ? {} : { end: { ...end, at: time(end.at) } }),
    ...(source === undefined ? {} : { source }),
  }
}

export function time(at: number): string {
  return new Date(at).toISOString()
}
