import { createHash } from 'node:crypto'
import { PackageURL } from 'packageurl-js'
import { findBaseOf } from '../baseimages/index.ts'
import type { Caller, Identity } from '../identity/index.ts'
import { parseImageName } from '../kernel/reference.ts'
import type { RepositoryRef } from '../registry/index.ts'
import { findReport, findScan, type Finding } from '../scanning/index.ts'
import type { VerifyParts } from '../signing/index.ts'
import { isAbout } from './apply-exceptions.ts'
import { ExceptionFailure } from './failures.ts'
import { gatherFacts, judgeFindings, type JudgedImage } from './judge-findings.ts'
import { pageOfExceptions } from './store.ts'
import type { Exception } from './types.ts'
import { writeVex } from './vex/read-vex.ts'
import type { VexFormat, VexStatement } from './vex/types.ts'

export interface ExportParts extends VerifyParts {
  readonly identity: Identity
  /** Finds an image by its name, with its platforms. Throws when there is none. */
  resolveImage(name: string): Promise<{
    readonly repository: RepositoryRef
    readonly images: readonly { readonly digest: string }[]
  }>
}

/** Requests that wait are looked at up to this many. */
const maximumWaiting = 1_000

/**
 * What is known of an image as a VEX document: approved exceptions and trusted statements as they are, findings
 * that somebody asked about as under investigation, and all others as affected, with what mends them.
 */
export async function exportVex(
  parts: ExportParts,
  caller: Caller,
  wanted: { readonly image: string; readonly format: VexFormat; readonly serverUrl: string },
): Promise<object> {
  const { identity, database } = parts
  await identity.requireAccess(caller, 'pull', parseImageName(wanted.image).repository)
  const { repository, images } = await parts.resolveImage(wanted.image)
  const author = new URL(wanted.serverUrl).host
  const now = identity.clock.now()
  const waiting = await pageOfExceptions(database, { state: 'requested', limit: maximumWaiting })
  const statements: VexStatement[] = []
  for (const { digest } of images) {
    const product = purlOf(author, repository.name, digest)
    statements.push(...(await statementsOf(parts, repository, digest, { product, author, now, waiting })))
  }
  if (statements.length === 0) {
    throw new ExceptionFailure(
      'VEX_EMPTY',
      `nothing was found in ${wanted.image} that a document could speak of`,
    )
  }
  const merged = mergeAlike(statements)
  return writeVex[wanted.format]({
    uuid: uuidOf(JSON.stringify(merged)),
    title: `What was found in ${wanted.image}`,
    author,
    namespace: wanted.serverUrl,
    timestamp: now,
    statements: merged,
  })
}

interface Telling {
  readonly product: string
  readonly author: string
  readonly now: number
  readonly waiting: readonly Exception[]
}

async function statementsOf(
  parts: ExportParts,
  repository: RepositoryRef,
  digest: string,
  { product, author, now, waiting }: Telling,
): Promise<VexStatement[]> {
  const { database } = parts
  const report = await findReport(database, digest)
  if (!report) return []
  const inventory = (await findScan(database, digest))?.inventory
  const base = await findBaseOf(database, inventory?.layers.map(({ diffId }) => diffId) ?? [])
  const image: JudgedImage = {
    repositoryId: repository.id,
    repository: repository.name,
    digest,
    inventory,
    base,
  }
  const facts = await gatherFacts(database, image)
  const present = report.findings.filter(({ removedBy }) => removedBy === undefined)
  const judged = await judgeFindings(parts, image, present, now)
  return worstPerPackage(judged).map((finding) => ({
    vulnerability: finding.id,
    aliases: finding.aliases,
    ...whatIsSaid(
      finding,
      waiting.some((exception) => isAbout(exception, finding, facts)),
    ),
    products: [{ id: product, subcomponents: [finding.purl] }],
    author,
    timestamp: report.databaseBuiltAt,
  }))
}

/** One package may lie in several places, judged differently: what counts is said. */
function worstPerPackage(findings: readonly Finding[]): Finding[] {
  const kept = new Map<string, Finding>()
  for (const finding of findings) {
    const key = `${finding.id} ${finding.purl}`
    const before = kept.get(key)
    if (!before || before.exception?.isSuppressed) kept.set(key, finding)
  }
  return [...kept.values()]
}

function whatIsSaid(
  finding: Finding,
  isAskedAbout: boolean,
): Pick<VexStatement, 'status' | 'justification' | 'impactStatement' | 'actionStatement' | 'notes'> {
  const { exception, fixedVersion, packageName } = finding
  if (exception) {
    const { status, justification, reason, until } = exception
    const end = until === undefined ? '' : `, until ${new Date(until).toISOString().slice(0, 10)}`
    return {
      status,
      ...(status === 'not_affected' && justification !== undefined
        ? { justification: justification as NonNullable<VexStatement['justification']> }
        : {}),
      ...(status === 'not_affected' ? { impactStatement: reason } : { notes: reason }),
      ...(status === 'affected' ? { actionStatement: `the risk is accepted${end}: ${reason}` } : {}),
    }
  }
  if (isAskedAbout) return { status: 'under_investigation' }
  const action =
    fixedVersion === undefined ? {} : { actionStatement: `update ${packageName} to ${fixedVersion}` }
  return { status: 'affected', ...action }
}

/** Statements that say the same of several packages or images are one. */
function mergeAlike(statements: readonly VexStatement[]): VexStatement[] {
  const groups = Map.groupBy(statements, (statement) => JSON.stringify({ ...statement, products: [] }))
  return [...groups.values()].map((group) => {
    const products = Map.groupBy(
      group.flatMap((statement) => statement.products),
      ({ id }) => id,
    )
    return {
      ...(group[0] as VexStatement),
      products: [...products].map(([id, ones]) => ({
        id,
        subcomponents: [...new Set(ones.flatMap(({ subcomponents }) => subcomponents))],
      })),
    }
  })
}

/** purl-spec, "oci": the last part of the name, the digest, and the address without a tag. */
function purlOf(host: string, repository: string, digest: string): string {
  const name = repository.split('/').at(-1) as string
  const qualifiers = { repository_url: `${host}/${repository}` }
  return new PackageURL('oci', undefined, name, digest, qualifiers, undefined).toString()
}

/** RFC 9562, version 8: made of a hash, so that the same content has the same name. */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
