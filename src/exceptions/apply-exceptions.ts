import type { Finding, FindingException } from '../scanning/index.ts'
import { matchesGlob } from '../kernel/glob.ts'
import type { Exception } from './types.ts'
import { matchesPurl } from './vex/match-purl.ts'
import { concerns, isSameVulnerability, latestOf, type ImageFacts } from './vex/matches.ts'
import type { VexStatement } from './vex/types.ts'

/** A statement of an attestation whose signer the administrator trusts. */
export interface TrustedStatement extends VexStatement {
  /** Digest of the manifest that carries the attestation. */
  readonly source: string
  readonly signer: string
}

/**
 * The findings of an image, each with the exception that holds for it now: the one approved last, and where
 * there is none what a trusted attestation says.
 */
export function applyExceptions(
  findings: readonly Finding[],
  exceptions: readonly Exception[],
  image: ImageFacts,
  now: number,
  attested: readonly TrustedStatement[] = [],
): Finding[] {
  const inForce = exceptions.filter((exception) => isInForce(exception, now) && isPlaced(exception, image))
  if (inForce.length === 0 && attested.length === 0) return [...findings]
  const [byName, attestedByName] = [byEveryName(inForce), byEveryName(attested)]
  return findings.map((finding) => {
    const approved = latestOf(
      named(byName, finding)
        .filter((exception) => fits(exception, finding, image))
        .map((exception) => ({ ...exception, timestamp: exception.decision?.at ?? 0 })),
    )
    if (approved) return { ...finding, exception: describe(approved) }
    const said = latestOf(
      named(attestedByName, finding).filter((statement) => speaksOf(statement, finding, image)),
    )
    return said ? { ...finding, exception: describeAttested(said) } : finding
  })
}

/** True while an approved exception holds: up to, and not at, the moment at which it ends. */
export function isInForce(exception: Exception, now: number): boolean {
  return exception.state === 'approved' && now < exception.until
}

/** True when an exception, whatever became of it, is about a finding in an image. */
export function isAbout(exception: Exception, finding: Finding, image: ImageFacts): boolean {
  return (
    isPlaced(exception, image) && isSameVulnerability(exception, finding) && fits(exception, finding, image)
  )
}

function isPlaced({ scope }: Exception, { repository, digest, parents }: ImageFacts): boolean {
  return (
    matchesGlob(scope.repositories, repository) &&
    (scope.digest === undefined || scope.digest === digest || parents.includes(scope.digest))
  )
}

/** What is left to ask once the place and the vulnerability fit. */
function fits({ scope, products }: Exception, finding: Finding, image: ImageFacts): boolean {
  if (scope.package !== undefined && !matchesPurl(scope.package, finding.purl)) return false
  if (scope.base !== undefined && !isOfBase(scope.base, finding, image)) return false
  return products === undefined || products.some((product) => concerns(product, finding, image))
}

/** Only what the base's own layers brought: the same package added on top is the application's. */
function isOfBase(
  wanted: NonNullable<Exception['scope']['base']>,
  finding: Finding,
  { base }: ImageFacts,
): boolean {
  if (!base || base.name !== wanted.name) return false
  return (wanted.version === undefined || base.version === wanted.version) && finding.layer < base.layers
}

/** An attestation's subject is the image itself: a statement without products is about all of it. */
function speaksOf(statement: TrustedStatement, finding: Finding, image: ImageFacts): boolean {
  return (
    statement.products.length === 0 || statement.products.some((product) => concerns(product, finding, image))
  )
}

interface Named {
  readonly vulnerability: string
  readonly aliases: readonly string[]
}

function byEveryName<One extends Named>(ones: readonly One[]): Map<string, One[]> {
  const found = new Map<string, One[]>()
  for (const one of ones) {
    for (const name of new Set([one.vulnerability, ...one.aliases].map(fold))) {
      const list = found.get(name)
      if (list) list.push(one)
      else found.set(name, [one])
    }
  }
  return found
}

function named<One>(byName: ReadonlyMap<string, readonly One[]>, { id, aliases }: Finding): One[] {
  return [...new Set([id, ...aliases].flatMap((name) => byName.get(fold(name)) ?? []))]
}

function fold(name: string): string {
  return name.toUpperCase()
}

function describe(exception: Exception): FindingException {
  const { id, status, justification, reason, until, decision } = exception
  return {
    id,
    status,
    ...(justification === undefined ? {} : { justification }),
    reason,
    until,
    approvedBy: decision?.by.name ?? '',
    isSuppressed: status !== 'under_investigation',
  }
}

/** Nobody here accepted a risk, so that only what says "not affected" or "fixed" quietens a finding. */
function describeAttested(statement: TrustedStatement): FindingException {
  const { status, justification, impactStatement, notes } = statement
  return {
    id: `vex:${statement.source}`,
    status,
    ...(justification === undefined ? {} : { justification }),
    reason: impactStatement ?? notes ?? justification ?? `said by ${statement.author}`,
    approvedBy: `VEX signer ${statement.signer}`,
    isSuppressed: status === 'not_affected' || status === 'fixed',
  }
}
