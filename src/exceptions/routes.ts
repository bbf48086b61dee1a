import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { approveException, rejectException, withdrawException } from './decide-exception.ts'
import type { ExportParts } from './export-vex.ts'
import type { ExceptionParts } from './parts.ts'
import { requestException } from './request-exception.ts'
import { documentRoutes } from './route-documents.ts'
import { getVisible, listVisible } from './see-exceptions.ts'
import { show } from './show-exception.ts'
import {
  Approval,
  ExceptionBody,
  ExceptionList,
  ExceptionListQuery,
  ExceptionParams,
  NewException,
  Refusal,
} from './wire.ts'

export interface ExceptionRouteParts extends ExceptionParts, ExportParts {
  /** How clients reach the server, when a proxy is in front. */
  readonly publicUrl?: string
}

const path = '/api/v1/exceptions'
const defaultPage = 100

/** Exceptions: asking, deciding, and VEX documents in and out. */
export function exceptionRoutes(app: FastifyInstance, parts: ExceptionRouteParts): void {
  readingRoutes(app, parts)
  decisionRoutes(app, parts)
  documentRoutes(app, parts)
}

function readingRoutes(app: FastifyInstance, parts: ExceptionRouteParts): void {
  app.get<{ Querystring: Static<typeof ExceptionListQuery> }>(
    path,
    {
      schema: {
        ...about('listExceptions', 'Exceptions that concern what the caller may pull, the newest first'),
        querystring: ExceptionListQuery,
        response: { 200: ExceptionList },
      },
    },
    async ({ caller, query: { n = defaultPage, last, ...filter } }) => {
      const after = last === undefined ? {} : { after: readCursor(last) }
      const { items, isMore } = await listVisible(parts, caller, { ...filter, ...after, limit: n })
      const end = items.at(-1)
      const next = isMore && end ? { next: `${end.requestedAt}_${end.id}` } : {}
      return { items: items.map(show), ...next }
    },
  )

  app.get<{ Params: Static<typeof ExceptionParams> }>(
    `${path}/:id`,
    {
      schema: {
        ...about('getException', 'One exception'),
        params: ExceptionParams,
        response: { 200: ExceptionBody },
      },
    },
    async ({ caller, params }) => show(await getVisible(parts, caller, params.id)),
  )

  app.post<{ Body: Static<typeof NewException> }>(
    path,
    {
      schema: {
        ...about('requestException', 'Ask for an exception; another person has to approve it'),
        body: NewException,
        response: { 201: ExceptionBody },
      },
    },
    async ({ caller, body: { until, rule, clause, ...wanted } }, reply) => {
      const from =
        rule === undefined ? undefined : { name: rule, ...(clause === undefined ? {} : { clause }) }
      const asked = await requestException(parts, caller, {
        ...wanted,
        ...(from ? { rule: from } : {}),
        until: Date.parse(until),
      })
      return reply.code(201).send(show(asked))
    },
  )
}

function decisionRoutes(app: FastifyInstance, parts: ExceptionRouteParts): void {
  app.post<{ Params: Static<typeof ExceptionParams>; Body: Static<typeof Approval> }>(
    `${path}/:id/approve`,
    {
      schema: {
        ...about('approveException', 'Approve what another person asked for'),
        params: ExceptionParams,
        body: Approval,
        response: { 200: ExceptionBody },
      },
    },
    async ({ caller, params, body }) => {
      await getVisible(parts, caller, params.id)
      return show(await approveException(parts, caller, params.id, body.reason))
    },
  )
  for (const [verb, operationId, summary, act] of [
    ['reject', 'rejectException', 'Refuse what somebody asked for', rejectException],
    ['withdraw', 'withdrawException', 'Take an exception back', withdrawException],
  ] as const) {
    app.post<{ Params: Static<typeof ExceptionParams>; Body: Static<typeof Refusal> }>(
      `${path}/:id/${verb}`,
      {
        schema: {
          ...about(operationId, summary),
          params: ExceptionParams,
          body: Refusal,
          response: { 200: ExceptionBody },
        },
      },
      async ({ caller, params, body }) => {
        await getVisible(parts, caller, params.id)
        return show(await act(parts, caller, params.id, body.reason))
      },
    )
  }
}

function readCursor(last: string): { requestedAt: number; id: string } {
  const [time = '', id = ''] = last.split('_', 2)
  return { requestedAt: Number(time), id }
}

function about(operationId: string, summary: string): object {
  return { operationId, summary, tags: ['exceptions'] }
}
