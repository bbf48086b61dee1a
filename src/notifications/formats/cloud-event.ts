import type { NotificationEvent } from '../types.ts'

export const cloudEventMediaType = 'application/cloudevents+json'

/** The event in structured JSON (CloudEvents 1.0, JSON Event Format, section 3). */
export function renderCloudEvent(event: NotificationEvent, source: string): string {
  const { repository, severity, summary, data } = event
  return JSON.stringify({
    specversion: '1.0',
    id: event.id,
    source,
    type: `io.pratique.${event.type}.v1`,
    ...(event.subject ? { subject: event.subject } : {}),
    time: new Date(event.at).toISOString(),
    datacontenttype: 'application/json',
    data: {
      ...data,
      summary,
      ...(repository === undefined ? {} : { repository }),
      ...(severity === undefined ? {} : { severity }),
    },
  })
}
