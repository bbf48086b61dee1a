import type { NotificationEvent } from '../types.ts'

const maximumSubjectLength = 160

export interface Mail {
  readonly subject: string
  readonly text: string
  readonly html: string
}

/** The event as an e-mail, for programs that show text and for those that show HTML. */
export function renderMail(event: NotificationEvent): Mail {
  const facts = factsOf(event)
  const rows = facts.map(
    ([name, value]) => `<tr><th align="left">${name}</th><td>${escapeHtml(value)}</td></tr>`,
  )
  return {
    subject: cut(`[Pratique] ${oneLine(event.summary)}`, maximumSubjectLength),
    text: [event.summary, '', ...facts.map(([name, value]) => `${name}: ${value}`), ''].join('\n'),
    html: `<p>${escapeHtml(event.summary)}</p>\n<table>\n${rows.join('\n')}\n</table>\n`,
  }
}

function factsOf(event: NotificationEvent): (readonly [name: string, value: string])[] {
  const facts: (readonly [string, string | undefined])[] = [
    ['Event', event.type],
    ['Subject', event.subject],
    ['Repository', event.repository],
    ['Severity', event.severity],
    ['Time', new Date(event.at).toISOString()],
    ['Id', event.id],
  ]
  return facts.flatMap(([name, value]) => (value === undefined ? [] : [[name, oneLine(value)] as const]))
}

/** A line break in what becomes a header would begin another header. */
function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').trim()
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] as string)
}
