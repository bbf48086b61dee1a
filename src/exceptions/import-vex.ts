import { randomUUID } from 'node:crypto'
import type { Caller } from '../identity/index.ts'
import { digestOf } from '../kernel/digest.ts'
import { requireAccessToAll } from './check-scope.ts'
import type { ExceptionParts } from './parts.ts'
import { checkUntil, findScope, type WantedScope } from './request-exception.ts'
import { findSame, insertException } from './store.ts'
import type { Exception } from './types.ts'
import { invalidVex } from './vex/limits.ts'
import { readVex } from './vex/read-vex.ts'
import type { SkippedPart, VexDocument, VexStatement } from './vex/types.ts'

/** More is not an answer about one product; it would bury whoever has to approve it. */
const maximumImported = 2_000

export interface WantedImport extends WantedScope {
  readonly document: string
  readonly until: number
  readonly ticket?: string
}

export interface ImportedVex {
  readonly digest: string
  readonly author: string
  readonly exceptions: readonly Exception[]
  /** Statements that are recorded already, from the same document. */
  readonly known: number
  readonly skipped: readonly SkippedPart[]
}

/**
 * Records what a VEX document says as requests: whoever brings it has to be allowed to approve, and a second
 * person still has to. What is affected is not taken: somebody else's document cannot accept our risk.
 */
export async function importVex(
  parts: ExceptionParts,
  caller: Caller,
  wanted: WantedImport,
): Promise<ImportedVex> {
  const { database, identity } = parts
  await identity.requireSignIn(caller)
  const now = identity.clock.now()
  checkUntil(wanted.until, now, parts.maximumDays)
  const scope = await findScope(database, wanted, (place) =>
    requireAccessToAll(database, identity, caller, 'approve', place),
  )
  const document = readVex(wanted.document)
  const source = { digest: digestOf(wanted.document), author: document.author }
  const { usable, skipped } = sift(document)
  if (usable.length > maximumImported)
    throw invalidVex(`it has more than ${maximumImported} usable statements`)
  const requestedBy = { subject: caller.principal.subject, name: caller.principal.name }
  const common = {
    state: 'requested' as const,
    scope,
    requestedBy,
    requestedAt: now,
    until: wanted.until,
    source,
  }
  const ticket = wanted.ticket === undefined ? {} : { ticket: wanted.ticket }
  const exceptions: Exception[] = []
  await database.transaction().execute(async (transaction) => {
    for (const statement of usable) {
      const exception: Exception = { id: randomUUID(), ...describe(statement), ...common, ...ticket }
      if (await findSame(transaction, exception)) continue
      await insertException(transaction, exception)
      exceptions.push(exception)
    }
    await identity.audit(transaction, caller, 'exception.import', source.digest, {
      author: source.author,
      format: document.format,
      ...scope,
      ids: exceptions.slice(0, 200).map(({ id }) => id),
      count: exceptions.length,
    })
    if (exceptions.length > 0) await parts.changed(transaction, { kind: 'imported', exceptions })
  })
  parts.wake()
  return { ...source, exceptions, known: usable.length - exceptions.length, skipped }
}

function describe(
  statement: VexStatement,
): Pick<Exception, 'vulnerability' | 'aliases' | 'status' | 'justification' | 'reason' | 'products'> {
  const { vulnerability, aliases, status, justification, products } = statement
  const said = statement.impactStatement ?? statement.notes ?? justification ?? status
  return {
    vulnerability,
    aliases,
    status,
    ...(justification === undefined ? {} : { justification }),
    reason: `${statement.author}: ${said}`,
    products,
  }
}

/** Statements that could quieten a finding, without what later statements of the document took back. */
function sift(document: VexDocument): { usable: VexStatement[]; skipped: SkippedPart[] } {
  const latest = latestByProduct(document.statements)
  const skipped = [...document.skipped]
  const usable = document.statements.flatMap((statement): VexStatement[] => {
    const { vulnerability: what, status } = statement
    if (status !== 'not_affected' && status !== 'fixed') {
      skipped.push({ what, why: `it is ${status}, which leaves findings as they are` })
      return []
    }
    const products = statement.products.filter((product) =>
      keysOf(statement, product).every((key) => latest.get(key) === statement),
    )
    if (products.length > 0) return [{ ...statement, products }]
    const why = statement.products.length === 0 ? 'it names no product' : 'a later statement replaces it'
    skipped.push({ what, why })
    return []
  })
  return { usable, skipped }
}

function latestByProduct(statements: readonly VexStatement[]): Map<string, VexStatement> {
  const latest = new Map<string, VexStatement>()
  for (const statement of statements) {
    for (const key of statement.products.flatMap((product) => keysOf(statement, product))) {
      const before = latest.get(key)
      if (!before || before.timestamp <= statement.timestamp) latest.set(key, statement)
    }
  }
  return latest
}

function keysOf(statement: VexStatement, { id, subcomponents }: VexStatement['products'][number]): string[] {
  const place = JSON.stringify([id, subcomponents.toSorted()])
  return [statement.vulnerability, ...statement.aliases].map((name) => `${name.toUpperCase()} ${place}`)
}
