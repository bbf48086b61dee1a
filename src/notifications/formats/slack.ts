import type { NotificationEvent } from '../types.ts'

/** The event as a message of Slack's incoming webhooks, which Mattermost and others take too. */
export function renderSlack(event: NotificationEvent): string {
  const facts = [event.type, event.severity, event.subject, new Date(event.at).toISOString()]
  const context = facts.filter((fact) => fact !== undefined).map(escapeSlack)
  const summary = escapeSlack(event.summary)
  return JSON.stringify({
    text: summary,
    blocks: [
      { type: 'section', text: { type: 'mrkdwn', text: summary } },
      { type: 'context', elements: context.map((text) => ({ type: 'mrkdwn', text })) },
    ],
  })
}

/** Slack, "Escaping text": with these three nothing is a link, a mention or a call to a whole channel. */
function escapeSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
