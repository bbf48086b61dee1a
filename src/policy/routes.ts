import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import type { DatabaseTransaction } from '../database/index.ts'
import type { Caller, Identity } from '../identity/index.ts'
import { parseImageName } from '../kernel/reference.ts'
import { listReferrers } from '../registry/index.ts'
import { gatherEvidence } from './gather-evidence.ts'
import { judgeInRepository, type JudgeParts } from './judge.ts'
import { describeImage, imageRows, listImages } from './list-images.ts'
import { findEffectivePolicy } from './project-policy.ts'
import { platformImages, resolveImage, type NamedImage } from './resolve-image.ts'
import { documentRoutes } from './route-policies.ts'
import { projectPolicyRoutes } from './route-project-policies.ts'
import { findVerdict, repositoriesHolding } from './store.ts'
import { showOutcome } from './test-policy.ts'
import { DecisionRequest, ImageList, ImageQuery, ImagesQuery, InspectBody, VerdictBody } from './wire.ts'

export interface PolicyParts extends JudgeParts {
  readonly identity: Identity
  /** New work was committed. */
  wake(): void
}

/** The policy, verdicts, decisions by hand, and the list of images. */
export function policyRoutes(app: FastifyInstance, parts: PolicyParts): void {
  documentRoutes(app, parts)
  projectPolicyRoutes(app, parts)
  imageRoutes(app, parts)
  decisionRoutes(app, parts)
}

function imageRoutes(app: FastifyInstance, parts: PolicyParts): void {
  const { database, identity } = parts

  app.get<{ Querystring: Static<typeof ImagesQuery> }>(
    '/api/v1/images',
    {
      schema: {
        ...about('listImages', 'Images with their verdicts'),
        querystring: ImagesQuery,
        response: { 200: ImageList },
      },
    },
    async ({ caller, query }) =>
      listImages({ database, mayAccess: identity.mayAccess }, caller, {
        limit: query.n ?? 100,
        ...(query.last === undefined ? {} : { after: query.last }),
        ...(query.repository === undefined ? {} : { repositories: query.repository }),
        ...(query.verdict === undefined ? {} : { verdict: query.verdict }),
      }),
  )

  app.get<{ Querystring: Static<typeof ImageQuery> }>(
    '/api/v1/images/inspect',
    {
      schema: {
        ...about('inspectImage', 'All that is known of an image'),
        querystring: ImageQuery,
        response: { 200: InspectBody },
      },
    },
    async ({ caller, query }) => {
      await identity.requireAccess(caller, 'pull', parseImageName(query.image).repository)
      return inspectImage(parts, await resolveImage(database, query.image))
    },
  )

  app.get<{ Querystring: Static<typeof ImageQuery> }>(
    '/api/v1/verdict',
    {
      schema: {
        ...about('getVerdict', 'The verdict on an image and its reasons'),
        querystring: ImageQuery,
        response: { 200: VerdictBody },
      },
    },
    async ({ caller, query }) => {
      await identity.requireAccess(caller, 'pull', parseImageName(query.image).repository)
      return describeVerdict(parts, await resolveImage(database, query.image))
    },
  )
}

async function inspectImage(parts: PolicyParts, named: NamedImage): Promise<Static<typeof InspectBody>> {
  const { database } = parts
  const { repository, manifest } = named
  const row = await imageRows(database)
    .where('repository.id', '=', repository.id)
    .where('manifest.digest', '=', manifest.digest)
    .executeTakeFirstOrThrow()
  const policy = await findEffectivePolicy(database, repository.name)
  const evidence = await gatherEvidence(parts, repository, manifest.digest, policy)
  const { verification } = evidence.signatures
  const layers = await scannedLayers(parts, manifest.digest)
  const referrers = await listReferrers(database, repository.id, manifest.digest, { limit: 200 })
  const { status, name, version, newer } = evidence.base
  return {
    image: await describeImage(database, row),
    verdict: await describeVerdict(parts, named),
    platforms: await platformImages(database, named),
    layers,
    base: { status, ...(name ? { name } : {}), ...(version ? { version } : {}), ...(newer ? { newer } : {}) },
    signatures: {
      status: verification.status,
      signers: [...new Set(verification.claims.map(({ signer }) => signer))],
    },
    referrers: referrers.map(({ digest, artifactType }) => ({ digest, artifactType: artifactType ?? '' })),
  }
}

async function scannedLayers(
  parts: PolicyParts,
  digest: string,
): Promise<Static<typeof InspectBody>['layers']> {
  const row = await parts.database
    .selectFrom('scan')
    .select('inventory')
    .where('digest', '=', digest)
    .where('state', '=', 'done')
    .executeTakeFirst()
  return row ? (JSON.parse(row.inventory) as { layers: Static<typeof InspectBody>['layers'] }).layers : []
}

function decisionRoutes(app: FastifyInstance, parts: PolicyParts): void {
  for (const kind of ['quarantine', 'release'] as const) {
    const summary =
      kind === 'quarantine'
        ? 'Quarantine an image everywhere'
        : 'Release an image in its repository, whatever the rules say but that on signatures'
    app.post<{ Body: Static<typeof DecisionRequest> }>(
      `/api/v1/${kind}`,
      {
        schema: { ...about(`${kind}Image`, summary), body: DecisionRequest, response: { 200: VerdictBody } },
      },
      async ({ caller, body }) => {
        await parts.identity.requireAccess(caller, 'approve', parseImageName(body.image).repository)
        const named = await resolveImage(parts.database, body.image)
        await decideByHand(parts, named, kind, body.reason, caller)
        return describeVerdict(parts, named)
      },
    )
  }
}

/**
 * Writes down a decision and judges at once. A quarantine holds for the digest in every repository; a release
 * only in the one it was given for. What is said of an index is said of its platform images too.
 */
async function decideByHand(
  parts: PolicyParts,
  named: NamedImage,
  kind: 'quarantine' | 'release',
  reason: string,
  caller: Caller,
): Promise<void> {
  const { database, clock, identity } = parts
  const { repository, manifest } = named
  const children = await platformImages(database, named)
  const digests = [...new Set([...children.map(({ digest }) => digest), manifest.digest])]
  await database.transaction().execute(async (transaction) => {
    for (const digest of digests) {
      await insertDecision(transaction, {
        digest,
        repository_id: kind === 'quarantine' ? null : repository.id,
        kind,
        reason,
        decided_by: caller.principal.name,
        decided_at: clock.now(),
      })
    }
    await identity.audit(transaction, caller, `image.${kind}`, `${repository.name}@${manifest.digest}`, {
      reason,
    })
  })
  for (const digest of digests) {
    for (const holder of await repositoriesHolding(database, digest))
      await judgeInRepository(parts, holder, digest)
  }
}

async function insertDecision(
  transaction: DatabaseTransaction,
  row: {
    digest: string
    repository_id: string | null
    kind: 'quarantine' | 'release'
    reason: string
    decided_by: string
    decided_at: number
  },
): Promise<void> {
  await transaction
    .insertInto('manual_decision')
    .values({ id: `${String(row.decided_at).padStart(15, '0')}-${randomUUID()}`, ...row })
    .execute()
}

async function describeVerdict(
  parts: PolicyParts,
  { repository, manifest }: NamedImage,
): Promise<Static<typeof VerdictBody>> {
  const verdict = await findVerdict(parts.database, repository.id, manifest.digest)
  return {
    image: `${repository.name}@${manifest.digest}`,
    digest: manifest.digest,
    kind: manifest.kind,
    state: verdict?.state ?? 'pending',
    reasons: (verdict?.reasons ?? []).map(showOutcome),
    policyVersion: verdict?.policyVersion ?? 0,
    judgedAt: new Date(verdict?.judgedAt ?? 0).toISOString(),
    ...(verdict?.graceUntil === undefined ? {} : { graceUntil: new Date(verdict.graceUntil).toISOString() }),
  }
}

function about(
  operationId: string,
  summary: string,
): { operationId: string; summary: string; tags: string[] } {
  return { operationId, summary, tags: ['policy'] }
}
