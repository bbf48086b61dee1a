import { createHash, randomBytes, randomUUID } from 'node:crypto'
import type { Static } from 'typebox'
import type { Database } from '../../database/index.ts'
import { systemCaller, type Caller, type Identity } from '../../identity/index.ts'
import type { Clock } from '../../kernel/clock.ts'
import { RuntimeFailure } from '../failures.ts'
import type { EnrolRequest, NewNodeToken, NodeCertificate, NodeToken } from '../wire.ts'
import { fingerprintOf, issueNodeCertificate, listAuthorities, nodeCertificateMs } from './authority.ts'

const minuteMs = 60_000
const defaultMinutes = 60

export interface NodeParts {
  readonly database: Database
  readonly clock: Clock
  readonly identity: Identity
}

/** A node that shows a certificate that is believed. */
export interface EnrolledNode {
  readonly id: string
  readonly name: string
}

/** Leave to enrol one node. The token is shown once; only its hash is kept. */
export async function createToken(
  parts: NodeParts,
  caller: Caller,
  { labels = {}, lifetimeMinutes = defaultMinutes }: Static<typeof NewNodeToken>,
): Promise<NodeToken> {
  const { database, clock, identity } = parts
  const [authority] = await listAuthorities(parts)
  const secret = randomBytes(32).toString('base64url')
  const expiresAt = clock.now() + lifetimeMinutes * minuteMs
  const id = randomUUID()
  await database.transaction().execute(async (transaction) => {
    await transaction
      .insertInto('node_token')
      .values({
        id,
        secret_hash: hash(secret),
        labels: JSON.stringify(labels),
        expires_at: expiresAt,
        used_at: null,
        created_by: caller.principal.name,
      })
      .execute()
    await identity.audit(transaction, caller, 'node-token.create', id, { labels, expiresAt })
  })
  return { token: `${secret}.${fingerprintOf(authority?.certificatePem ?? '')}`, expiresAt }
}

/**
 * Enrols a node by a token, which is good once. Throws NODE_TOKEN_INVALID, NODE_NAME_TAKEN or NODE_REQUEST_INVALID;
 * the token is used up by success only.
 */
export async function enrolNode(
  parts: NodeParts,
  { token, name, request }: Static<typeof EnrolRequest>,
): Promise<NodeCertificate> {
  const { database, clock, identity } = parts
  const now = clock.now()
  const authorities = await listAuthorities(parts)
  const id = randomUUID()
  const [authority] = authorities
  if (!authority) throw new Error('there is no authority')
  const certificate = await issueNodeCertificate(authority, { id, name }, request, now)
  const expiresAt = now + nodeCertificateMs
  await database.transaction().execute(async (transaction) => {
    const used = await transaction
      .updateTable('node_token')
      .set({ used_at: now })
      .where('secret_hash', '=', hash(token.split('.', 1)[0] ?? ''))
      .where('used_at', 'is', null)
      .where('expires_at', '>', now)
      .returning(['id', 'labels', 'created_by'])
      .executeTakeFirst()
    if (!used) {
      throw new RuntimeFailure(
        'NODE_TOKEN_INVALID',
        'the token is not known, was used, or is too old; make another with: pratique node token',
      )
    }
    const taken = await transaction
      .selectFrom('node')
      .select('id')
      .where('name', '=', name)
      .executeTakeFirst()
    if (taken) {
      throw new RuntimeFailure(
        'NODE_NAME_TAKEN',
        `there is a node ${name} already; remove it with: pratique nodes remove ${name}, or give this one another name`,
      )
    }
    await transaction
      .insertInto('node')
      .values({
        id,
        name,
        labels: used.labels,
        enrolled_at: now,
        certificate_expires_at: expiresAt,
        last_seen_at: null,
        agent_version: null,
        runtimes: '[]',
        last_event: 0,
      })
      .execute()
    await identity.audit(transaction, systemCaller(`node ${name}`), 'node.enrol', name, {
      token: used.id,
      tokenOf: used.created_by,
    })
  })
  return {
    id,
    name,
    certificate,
    authorities: authorities.map(({ certificatePem }) => certificatePem),
    expiresAt,
  }
}

/** A new certificate for a node that has a good one. */
export async function renewNode(
  parts: NodeParts,
  node: EnrolledNode,
  request: string,
): Promise<NodeCertificate> {
  const now = parts.clock.now()
  const authorities = await listAuthorities(parts)
  const [authority] = authorities
  if (!authority) throw new Error('there is no authority')
  const certificate = await issueNodeCertificate(authority, node, request, now)
  const expiresAt = now + nodeCertificateMs
  await parts.database
    .updateTable('node')
    .set({ certificate_expires_at: expiresAt })
    .where('id', '=', node.id)
    .execute()
  return {
    ...node,
    certificate,
    authorities: authorities.map(({ certificatePem }) => certificatePem),
    expiresAt,
  }
}

/** Takes a node's word away at once: its certificate is looked up at each request. Throws NODE_NOT_FOUND. */
export async function removeNode(
  { database, identity }: NodeParts,
  caller: Caller,
  name: string,
): Promise<void> {
  await database.transaction().execute(async (transaction) => {
    const gone = await transaction
      .deleteFrom('node')
      .where('name', '=', name)
      .returning('id')
      .executeTakeFirst()
    if (!gone)
      throw new RuntimeFailure('NODE_NOT_FOUND', `there is no node ${name}; pratique nodes lists them`)
    await transaction.deleteFrom('running_container').where('node_id', '=', gone.id).execute()
    await identity.audit(transaction, caller, 'node.remove', name)
  })
}

function hash(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}
