/** Tells people and programs what happened: subscriptions, an outbox, webhooks and e-mail. */
export { deliverJob } from './deliver-job.ts'
export { notificationFailures, NotificationFailure } from './failures.ts'
export { deliverJobKind, notify } from './notify.ts'
export { readMailSettings } from './read-mail-settings.ts'
export { parseNetworks } from './outgoing/guard-address.ts'
export { notificationRoutes, type NotificationRouteParts } from './routes.ts'
export { databaseEvent, newFindingsEvent } from './scanning-events.ts'
export { tendNotificationsJob } from './tend-job.ts'
export {
  eventTypes,
  type EventType,
  type MailSettings,
  type NotificationEvent,
  type NotificationParts,
} from './types.ts'
export { verdictEvent, type ChangedVerdict } from './verdict-event.ts'
