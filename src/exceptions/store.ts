import type { Database, DatabaseTransaction, Tables } from '../database/index.ts'
import { ExceptionFailure } from './failures.ts'
import type { Exception, ExceptionState } from './types.ts'
import type { Justification, VexProduct } from './vex/types.ts'

type Handle = Database | DatabaseTransaction
type Row = Tables['exception']

export async function getException(database: Handle, id: string): Promise<Exception> {
  const row = await database.selectFrom('exception').selectAll().where('id', '=', id).executeTakeFirst()
  if (!row) throw unknownException(id)
  return fromRow(row)
}

export function unknownException(id: string): ExceptionFailure {
  return new ExceptionFailure('EXCEPTION_UNKNOWN', `there is no exception ${id}`)
}

export async function insertException(transaction: DatabaseTransaction, exception: Exception): Promise<void> {
  await transaction.insertInto('exception').values(toRow(exception)).execute()
}

/** Moves an exception on from a state. False when it is not in it (any more). */
export async function moveException(
  transaction: DatabaseTransaction,
  from: ExceptionState,
  exception: Exception,
): Promise<boolean> {
  const { id, ...values } = toRow(exception)
  const updated = await transaction
    .updateTable('exception')
    .set(values)
    .where('id', '=', id)
    .where('state', '=', from)
    .executeTakeFirst()
  return updated.numUpdatedRows > 0n
}

/** Approved exceptions that could concern an image in a repository now; patterns are compared by the caller. */
export async function exceptionsNear(
  database: Handle,
  place: { readonly repository: string; readonly digests: readonly string[]; readonly now: number },
  from: 'findings' | 'rules' = 'findings',
): Promise<Exception[]> {
  const rows = await database
    .selectFrom('exception')
    .selectAll()
    .where('state', '=', 'approved')
    .where('rule', from === 'rules' ? 'is not' : 'is', null)
    .where('until', '>', place.now)
    .where((expression) =>
      expression.and([
        expression.or([
          expression('repository_glob', '=', place.repository),
          expression('repository_glob', 'like', '%*%'),
        ]),
        expression.or([expression('digest', 'is', null), expression('digest', 'in', [...place.digests])]),
      ]),
    )
    .execute()
  return rows.map(fromRow)
}

/** Exceptions that still could change and whose time is over. */
export async function findOverdue(database: Handle, now: number, limit: number): Promise<Exception[]> {
  const rows = await database
    .selectFrom('exception')
    .selectAll()
    .where('state', 'in', ['requested', 'approved'])
    .where('until', '<=', now)
    .orderBy('until')
    .limit(limit)
    .execute()
  return rows.map(fromRow)
}

export interface ExceptionQuery {
  readonly state?: ExceptionState
  readonly vulnerability?: string
  /** Of the exception that the page before ended with. */
  readonly after?: { readonly requestedAt: number; readonly id: string }
  readonly limit: number
}

/** The newest first. */
export async function pageOfExceptions(database: Handle, query: ExceptionQuery): Promise<Exception[]> {
  let rows = database.selectFrom('exception').selectAll()
  const { state, vulnerability, after } = query
  if (state !== undefined) rows = rows.where('state', '=', state)
  if (vulnerability !== undefined) {
    rows = rows.where((expression) =>
      expression.or([
        expression('vulnerability', '=', vulnerability),
        expression('aliases', 'like', `%${JSON.stringify(vulnerability).replaceAll(/[%_]/g, '')}%`),
      ]),
    )
  }
  if (after !== undefined) {
    rows = rows.where((expression) =>
      expression.or([
        expression('requested_at', '<', after.requestedAt),
        expression.and([expression('requested_at', '=', after.requestedAt), expression('id', '<', after.id)]),
      ]),
    )
  }
  return (await rows.orderBy('requested_at', 'desc').orderBy('id', 'desc').limit(query.limit).execute()).map(
    fromRow,
  )
}

/** One that says the same in the same place and still is open; approved ones count only with `from`'s source. */
export async function findSame(database: Handle, exception: Exception): Promise<Exception | undefined> {
  const row = toRow(exception)
  const states: ExceptionState[] = exception.source ? ['requested', 'approved'] : ['requested']
  let same = database
    .selectFrom('exception')
    .selectAll()
    .where('state', 'in', states)
    .where('vulnerability', '=', row.vulnerability)
    .where('status', '=', row.status)
    .where('repository_glob', '=', row.repository_glob)
  for (const column of [
    'digest',
    'package_purl',
    'base_name',
    'base_version',
    'products',
    'source_digest',
    'rule',
    'clause',
  ] as const) {
    const value = row[column]
    same = value === null ? same.where(column, 'is', null) : same.where(column, '=', value)
  }
  const found = await same.limit(1).executeTakeFirst()
  return found && fromRow(found)
}

function toRow(exception: Exception): Row {
  const { scope, decision, end, source } = exception
  return {
    id: exception.id,
    state: exception.state,
    vulnerability: exception.vulnerability,
    aliases: JSON.stringify(exception.aliases),
    status: exception.status,
    justification: exception.justification ?? null,
    reason: exception.reason,
    ticket: exception.ticket ?? null,
    repository_glob: scope.repositories,
    digest: scope.digest ?? null,
    package_purl: scope.package ?? null,
    base_name: scope.base?.name ?? null,
    base_version: scope.base?.version ?? null,
    products: exception.products === undefined ? null : JSON.stringify(exception.products),
    requested_by: exception.requestedBy.subject,
    requested_by_name: exception.requestedBy.name,
    requested_at: exception.requestedAt,
    until: exception.until,
    decided_by: decision?.by.subject ?? null,
    decided_by_name: decision?.by.name ?? null,
    decided_at: decision?.at ?? null,
    decision_reason: decision?.reason ?? null,
    ended_by_name: end?.by ?? null,
    ended_at: end?.at ?? null,
    end_reason: end?.reason ?? null,
    source_digest: source?.digest ?? null,
    source_author: source?.author ?? null,
    rule: exception.rule?.name ?? null,
    clause: exception.rule?.clause ?? null,
    authority: exception.authority ?? null,
  }
}

function fromRow(row: Row): Exception {
  return {
    id: row.id,
    state: row.state,
    vulnerability: row.vulnerability,
    ...(row.rule === null
      ? {}
      : { rule: { name: row.rule, ...(row.clause === null ? {} : { clause: row.clause }) } }),
    ...(row.authority === null ? {} : { authority: row.authority }),
    aliases: JSON.parse(row.aliases) as string[],
    status: row.status,
    ...(row.justification === null ? {} : { justification: row.justification as Justification }),
    reason: row.reason,
    ...(row.ticket === null ? {} : { ticket: row.ticket }),
    scope: scopeOf(row),
    ...(row.products === null ? {} : { products: JSON.parse(row.products) as VexProduct[] }),
    requestedBy: { subject: row.requested_by, name: row.requested_by_name },
    requestedAt: row.requested_at,
    until: row.until,
    ...historyOf(row),
  }
}

function scopeOf(row: Row): Exception['scope'] {
  const version = row.base_version === null ? {} : { version: row.base_version }
  return {
    repositories: row.repository_glob,
    ...(row.digest === null ? {} : { digest: row.digest }),
    ...(row.package_purl === null ? {} : { package: row.package_purl }),
    ...(row.base_name === null ? {} : { base: { name: row.base_name, ...version } }),
  }
}

function historyOf(row: Row): Pick<Exception, 'decision' | 'end' | 'source'> {
  const why = (reason: string | null): { reason?: string } => (reason === null ? {} : { reason })
  return {
    ...(row.decided_by === null || row.decided_at === null
      ? {}
      : {
          decision: {
            by: { subject: row.decided_by, name: row.decided_by_name ?? '' },
            at: row.decided_at,
            ...why(row.decision_reason),
          },
        }),
    ...(row.ended_by_name === null || row.ended_at === null
      ? {}
      : { end: { by: row.ended_by_name, at: row.ended_at, ...why(row.end_reason) } }),
    ...(row.source_digest === null
      ? {}
      : { source: { digest: row.source_digest, author: row.source_author ?? '' } }),
  }
}
