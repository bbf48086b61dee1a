import { createHash } from 'node:crypto'
import type { NotificationEvent, Severity } from './types.ts'

const shown = 20

/** Findings that the newest advisories brought to an image. */
export interface NewFindings {
  readonly repository: string
  readonly digest: string
  readonly databaseVersion: string
  readonly at: number
  /** The worst first. Never none. */
  readonly findings: readonly {
    readonly id: string
    readonly severity: Severity
    readonly packageName: string
    readonly installedVersion: string
    readonly fixedVersion?: string
  }[]
}

/** What people are told of new findings: one event an image and repository. */
export function newFindingsEvent(found: NewFindings): NotificationEvent {
  const { repository, digest, databaseVersion, findings } = found
  const named = findings.slice(0, shown)
  const [worst] = named
  return {
    id: idOf('finding.new', repository, digest, databaseVersion),
    type: 'finding.new',
    at: found.at,
    subject: `${repository}@${digest}`,
    repository,
    severity: worst?.severity ?? 'unknown',
    summary: `${repository}@${digest.slice(0, 19)} has ${findings.length} new findings, the worst ${worst?.severity}: ${named.map(({ id, packageName }) => `${id} in ${packageName}`).join(', ')}`,
    data: { digest, databaseVersion, count: findings.length, findings: named },
  }
}

/** What became of the vulnerability database. */
export interface DatabaseChanged {
  readonly kind: 'updated' | 'failed'
  readonly version: string
  readonly sources: readonly { readonly name: string; readonly records: number }[]
  readonly failed: readonly { readonly name: string; readonly error: string }[]
  readonly at: number
}

/** What people are told of the vulnerability database. */
export function databaseEvent({ kind, version, sources, failed, at }: DatabaseChanged): NotificationEvent {
  const type = `vulndb.${kind}` as const
  const names = (kind === 'updated' ? sources : failed).map(({ name }) => name).join(', ')
  return {
    id: idOf(type, version, String(at)),
    type,
    at,
    summary:
      kind === 'updated'
        ? `the vulnerability database is at version ${version}, with news of ${names}`
        : `sources of the vulnerability database could not be had: ${names}`,
    data: { version, sources: kind === 'updated' ? sources : [], failed },
  }
}

function idOf(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)
}
