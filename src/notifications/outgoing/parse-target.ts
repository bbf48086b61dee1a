import { NotificationFailure } from '../failures.ts'

const maximumLength = 2048

/**
 * Reads the URL that a webhook is sent to. Only http and https, no user information, and the host written as
 * it will be used: `0x7f.1`, `2130706433` and the like are refused rather than understood. Where the host is
 * and whether that may be reached is asked each time something is sent. Throws SUBSCRIPTION_INVALID.
 */
export function parseTargetUrl(text: string): URL {
  // Printable ASCII only: parsers of URLs drop line breaks and read full-width digits as digits.
  if (text.length > maximumLength || !/^[\x21-\x7e]+$/.test(text)) {
    throw invalid(`a URL is at most ${maximumLength} printable ASCII characters`)
  }
  // Some parsers take a backslash for a slash and others do not, so they see different hosts.
  if (text.includes('\\')) throw invalid('a URL has no backslashes')
  const authority = /^https?:\/\/([^/?#\\]+)/i.exec(text)?.[1]
  if (authority === undefined) throw invalid('the URL has to begin with https:// or http:// and a host')
  if (authority.includes('@')) throw invalid('user information in a URL is not sent; leave it out')
  if (!URL.canParse(text)) throw invalid('that is no URL')
  const url = new URL(text)
  const host = authority.replace(/:\d*$/, '').toLowerCase()
  if (host !== url.hostname) throw invalid(`write the host ${host} in its plain form, as ${url.hostname}`)
  if (url.hash !== '') throw invalid('a URL with a fragment (#) cannot be sent to')
  return url
}

/** The URL as it may be shown: what stands in its path or query can be a secret. */
export function showTargetUrl(url: URL, kind: 'cloudevents' | 'slack'): string {
  if (kind === 'slack') return `${url.origin}/…`
  return `${url.origin}${url.pathname}${url.search === '' ? '' : '?…'}`
}

function invalid(message: string): NotificationFailure {
  return new NotificationFailure('SUBSCRIPTION_INVALID', message)
}
