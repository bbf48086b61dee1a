import { createHash } from 'node:crypto'
import type { NotificationEvent } from './types.ts'

const maximumReasons = 20
const maximumReasonLength = 300
const maximumTags = 20

/** A verdict that is another than before, as whoever gives verdicts tells it. */
export interface ChangedVerdict {
  readonly repository: string
  readonly digest: string
  /** `image` or `index`. */
  readonly kind: string
  readonly tags: readonly string[]
  /** Undefined: there was none. */
  readonly from?: string
  readonly to: string
  readonly reasons: readonly { readonly rule: string; readonly outcome: string; readonly message: string }[]
  readonly at: number
  /** Until then a recalled image can still be pulled. */
  readonly graceUntil?: number
}

const told = {
  quarantined: 'image.quarantined',
  recalled: 'image.recalled',
  cleared: 'image.cleared',
} as const

/** What people are told of a verdict; undefined when they are not: pending means that nothing is known yet. */
export function verdictEvent(change: ChangedVerdict): NotificationEvent | undefined {
  const type = told[change.to as keyof typeof told]
  if (type === undefined) return undefined
  const { repository, digest } = change
  const unmet = change.reasons.filter(({ outcome }) => outcome !== 'pass').slice(0, maximumReasons)
  const tags = change.tags.slice(0, maximumTags)
  const name = tags[0] === undefined ? `${repository}@${digest}` : `${repository}:${tags[0]}`
  const why = unmet.map(({ rule, message }) => `${rule}: ${message}`).join('; ')
  return {
    id: idOf(change),
    type,
    at: change.at,
    subject: `${repository}@${digest}`,
    repository,
    summary: `${name} is ${change.to}${why === '' ? '' : ` (${why})`}`,
    data: {
      digest,
      kind: change.kind,
      tags,
      ...(change.from === undefined ? {} : { previousState: change.from }),
      state: change.to,
      reasons: unmet.map(({ rule, outcome, message }) => ({
        rule,
        outcome,
        message: message.slice(0, maximumReasonLength),
      })),
      ...(change.graceUntil === undefined ? {} : { graceUntil: new Date(change.graceUntil).toISOString() }),
    },
  }
}

/** The same change has the same id, so that it is told once however often it is worked on. */
function idOf({ repository, digest, to, at }: ChangedVerdict): string {
  return createHash('sha256')
    .update(JSON.stringify([repository, digest, to, at]))
    .digest('hex')
    .slice(0, 32)
}
