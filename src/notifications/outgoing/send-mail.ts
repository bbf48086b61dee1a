import type { Mail } from '../formats/mail.ts'
import type { Attempt, MailSettings } from '../types.ts'
import { describeError } from './post-message.ts'

const timeoutMs = 10_000

/** An address and nothing else: no name, no comment, no list, and nothing that could begin another header. */
export function isMailAddress(text: string): boolean {
  return /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(text)
}

/** Hands an e-mail to the mail server of the settings; `id` lets mailboxes drop one that comes twice. */
export async function sendMail(
  settings: MailSettings,
  addresses: readonly string[],
  mail: Mail,
  id: string,
): Promise<Attempt> {
  // Loaded with the first e-mail: a server that sends none need not hold it.
  const { createTransport } = await import('nodemailer')
  const { host, port, security, user, password = '' } = settings
  const transport = createTransport({
    host,
    port,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    ...(user === undefined ? {} : { auth: { user, pass: password } }),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    dnsTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  try {
    const { accepted, rejected } = await transport.sendMail({
      from: settings.from,
      to: addresses.map((address) => ({ name: '', address })),
      messageId: `<${id}@pratique>`,
      ...mail,
    })
    // Who got it must not get it again because of somebody whose address is refused.
    const refused = rejected.length === 0 ? '' : `, refused for ${rejected.length}`
    return { isDelivered: accepted.length > 0, status: `taken for ${accepted.length}${refused}` }
  } catch (error) {
    return { isDelivered: false, status: describeError(error) }
  } finally {
    transport.close()
  }
}
