import type { Database } from '../database/index.ts'
import type { Clock } from '../kernel/clock.ts'
import type { OutgoingParts } from './outgoing/post-message.ts'

/** Worst first. */
export const severities = ['critical', 'high', 'medium', 'low', 'negligible', 'unknown'] as const
export type Severity = (typeof severities)[number]

/** Everything that people can be told of. A receiver sees `io.pratique.<type>.v1`. */
export const eventTypes = [
  'image.quarantined',
  'image.recalled',
  'image.cleared',
  'finding.new',
  'exception.requested',
  'exception.approved',
  'exception.rejected',
  'exception.expired',
  'vulndb.updated',
  'vulndb.failed',
] as const
/** `notification.test` is only ever sent by hand. */
export type EventType = (typeof eventTypes)[number] | 'notification.test'

/** Something that happened and that somebody may want to be told of. */
export interface NotificationEvent {
  /** The same for the same happening: a subscription gets an id once. At most 200 characters. */
  readonly id: string
  readonly type: EventType
  /** When it happened, in milliseconds since 1970. */
  readonly at: number
  /** What it is about, as people name it: `prod/shop@sha256:…`. */
  readonly subject?: string
  /** Subscriptions for other repositories are not told. */
  readonly repository?: string
  /** Subscriptions that ask for worse are not told. */
  readonly severity?: Severity
  /** One sentence for people. */
  readonly summary: string
  /** More facts for programs; never a secret. Left out when it is too large. */
  readonly data?: Readonly<Record<string, unknown>>
}

export const subscriptionKinds = ['cloudevents', 'slack', 'email'] as const
export type SubscriptionKind = (typeof subscriptionKinds)[number]

/** Where and how e-mail is handed over. */
export interface MailSettings {
  readonly host: string
  readonly port: number
  /** `tls`: from the first byte; `starttls`: nothing is sent before it; `none`: in the clear. */
  readonly security: 'tls' | 'starttls' | 'none'
  readonly user?: string
  readonly password?: string
  /** The sender's address. */
  readonly from: string
}

export interface NotificationParts extends OutgoingParts {
  readonly database: Database
  readonly clock: Clock
  /** What CloudEvents call `source`: who tells. */
  readonly source: string
  /** Undefined: no e-mail can be sent. */
  readonly mail: MailSettings | undefined
}

/** What came of an attempt: whether the receiver took it, and one line that says what happened. */
export interface Attempt {
  readonly isDelivered: boolean
  readonly status: string
}
