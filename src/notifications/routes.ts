import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import type { Caller, Identity } from '../identity/index.ts'
import { calm } from './deliver-job.ts'
import { listDeliveries } from './list-deliveries.ts'
import { insertSubscription, makeSubscription } from './make-subscription.ts'
import { requestDelivery } from './notify.ts'
import { parseTargetUrl, showTargetUrl } from './outgoing/parse-target.ts'
import { rotateSecret } from './rotate-secret.ts'
import { changeSubscription, getSubscription, listSubscriptions, type SubscriptionRow } from './store.ts'
import { testSubscription } from './test-subscription.ts'
import type { NotificationParts } from './types.ts'
import {
  DeliveryBody,
  DeliveryList,
  DeliveryQuery,
  NewSubscription,
  NoContent,
  SecretRotation,
  SubscriptionBody,
  SubscriptionChange,
  SubscriptionList,
  SubscriptionParams,
  SubscriptionWithSecret,
} from './wire.ts'

export interface NotificationRouteParts extends NotificationParts {
  readonly identity: Identity
  /** New work was committed. */
  wake(): void
}

const path = '/api/v1/notifications'

/** Who is told of what, and what came of it; for administrators of the installation. */
export function notificationRoutes(app: FastifyInstance, parts: NotificationRouteParts): void {
  subscriptionRoutes(app, parts)
  changeRoutes(app, parts)
  deliveryRoutes(app, parts)
}

function subscriptionRoutes(app: FastifyInstance, parts: NotificationRouteParts): void {
  const { database, identity } = parts

  app.get(
    path,
    { schema: { ...about('listSubscriptions', 'All subscriptions'), response: { 200: SubscriptionList } } },
    async ({ caller }) => {
      await identity.requireAdministrator(caller)
      return { items: (await listSubscriptions(database)).map((row) => show(row, parts.clock.now())) }
    },
  )

  app.post<{ Body: NewSubscription }>(
    path,
    {
      schema: {
        ...about('createSubscription', 'Subscribe to events; a secret to verify them with is shown once'),
        body: NewSubscription,
        response: { 201: SubscriptionWithSecret },
      },
    },
    async ({ caller, body }, reply) => {
      await identity.requireAdministrator(caller)
      const row = makeSubscription(parts, body, caller.principal.name)
      await database.transaction().execute(async (transaction) => {
        await insertSubscription(transaction, row)
        await identity.audit(transaction, caller, 'notification.create', row.name, {
          kind: row.kind,
          target: showTarget(row),
          eventTypes: body.eventTypes,
        })
      })
      const shown = show(row, parts.clock.now())
      return reply.code(201).send({ ...shown, ...(row.secret === null ? {} : { secret: row.secret }) })
    },
  )

  app.delete<{ Params: Static<typeof SubscriptionParams> }>(
    `${path}/:id`,
    {
      schema: {
        ...about('deleteSubscription', 'Delete a subscription with its deliveries'),
        params: SubscriptionParams,
        response: { 204: NoContent },
      },
    },
    async ({ caller, params }, reply) => {
      await identity.requireAdministrator(caller)
      await database.transaction().execute(async (transaction) => {
        const { name } = await getSubscription(transaction, params.id)
        await transaction.deleteFrom('notification_subscription').where('id', '=', params.id).execute()
        await identity.audit(transaction, caller, 'notification.delete', name)
      })
      return reply.code(204).send()
    },
  )
}

function changeRoutes(app: FastifyInstance, parts: NotificationRouteParts): void {
  const { database, identity } = parts

  app.patch<{ Params: Static<typeof SubscriptionParams>; Body: Static<typeof SubscriptionChange> }>(
    `${path}/:id`,
    {
      schema: {
        ...about('changeSubscription', 'Enable or disable a subscription'),
        params: SubscriptionParams,
        body: SubscriptionChange,
        response: { 200: SubscriptionBody },
      },
    },
    async ({ caller, params, body }) => {
      await identity.requireAdministrator(caller)
      const row = await setEnabled(parts, caller, params.id, body.enabled)
      parts.wake()
      return show(row, parts.clock.now())
    },
  )

  app.post<{ Params: Static<typeof SubscriptionParams>; Body: Static<typeof SecretRotation> }>(
    `${path}/:id/rotate`,
    {
      schema: {
        ...about(
          'rotateSubscription',
          'Give a subscription a new secret; the old one signs as well for the overlap',
        ),
        params: SubscriptionParams,
        body: SecretRotation,
        response: { 200: SubscriptionWithSecret },
      },
    },
    async ({ caller, params, body }) => {
      await identity.requireAdministrator(caller)
      const { row, secret } = await database.transaction().execute(async (transaction) => {
        const overlapMinutes = body.overlapMinutes ?? 60
        const rotated = await rotateSecret(transaction, params.id, overlapMinutes, parts.clock.now())
        await identity.audit(transaction, caller, 'notification.rotate', rotated.row.name, { overlapMinutes })
        return rotated
      })
      return { ...show(row, parts.clock.now()), secret }
    },
  )
}

/** Enabled again, what still waits is sent at once. */
async function setEnabled(
  parts: NotificationRouteParts,
  caller: Caller,
  id: string,
  enabled: boolean,
): Promise<SubscriptionRow> {
  return parts.database.transaction().execute(async (transaction) => {
    const row = await getSubscription(transaction, id)
    const change = { enabled: enabled ? (1 as const) : (0 as const), ...(enabled ? calm : {}) }
    await changeSubscription(transaction, id, change)
    if (enabled) await requestDelivery(transaction, id, parts.clock.now())
    await parts.identity.audit(transaction, caller, 'notification.change', row.name, { enabled })
    return { ...row, ...change }
  })
}

function deliveryRoutes(app: FastifyInstance, parts: NotificationRouteParts): void {
  const { database, identity } = parts

  app.post<{ Params: Static<typeof SubscriptionParams> }>(
    `${path}/:id/test`,
    {
      schema: {
        ...about('testSubscription', 'Send a test event now and say what came of it'),
        params: SubscriptionParams,
        response: { 200: DeliveryBody },
      },
    },
    async ({ caller, params }) => {
      await identity.requireAdministrator(caller)
      const row = await getSubscription(database, params.id)
      await database
        .transaction()
        .execute((transaction) => identity.audit(transaction, caller, 'notification.test', row.name))
      const { signal } = new AbortController()
      const id = await testSubscription(parts, row, caller.principal.name, signal)
      return (await listDeliveries(database, { limit: 1, id }))[0]
    },
  )

  app.get<{ Querystring: Static<typeof DeliveryQuery> }>(
    `${path}/deliveries`,
    {
      schema: {
        ...about('listDeliveries', 'What was sent in the last 30 days, newest first'),
        querystring: DeliveryQuery,
        response: { 200: DeliveryList },
      },
    },
    async ({ caller, query }) => {
      await identity.requireAdministrator(caller)
      const items = await listDeliveries(database, {
        limit: query.n ?? 100,
        ...(query.subscription === undefined ? {} : { subscriptionId: query.subscription }),
        ...(query.state === undefined ? {} : { state: query.state }),
      })
      return { items }
    },
  )
}

function show(row: SubscriptionRow, now: number): SubscriptionBody {
  const { previous_secret_until: overlap, paused_until: paused, minimum_severity: severity } = row
  const time = (at: number): string => new Date(at).toISOString()
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    target: showTarget(row),
    eventTypes: JSON.parse(row.event_types) as string[],
    repositories: row.repository_glob,
    ...(severity === null ? {} : { minimumSeverity: severity as SubscriptionBody['minimumSeverity'] }),
    enabled: row.enabled === 1,
    ...(overlap !== null && overlap > now ? { previousSecretUntil: time(overlap) } : {}),
    ...(paused > now ? { pausedUntil: time(paused) } : {}),
    createdAt: time(row.created_at),
  }
}

function showTarget({ kind, target }: SubscriptionRow): string {
  return kind === 'email' ? target : showTargetUrl(parseTargetUrl(target), kind)
}

function about(
  operationId: string,
  summary: string,
): { operationId: string; summary: string; tags: string[] } {
  return { operationId, summary, tags: ['notifications'] }
}
