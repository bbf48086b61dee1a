import { CommandError } from './client.ts'

const dayMs = 24 * 3_600_000

/** An end in ISO 8601: a day stands for its end, `30d` for so many days from now. */
export function readUntil(text: string): string {
  const days = /^(\d{1,4})d$/.exec(text)?.[1]
  if (days !== undefined) return new Date(Date.now() + Number(days) * dayMs).toISOString()
  const time = Date.parse(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T23:59:59Z` : text)
  if (Number.isNaN(time))
    throw new CommandError(`${text} is neither a day such as 2026-12-31 nor such as 30d`)
  return new Date(time).toISOString()
}
