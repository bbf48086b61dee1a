import { SettingsError, type Settings } from '../settings.ts'
import { isMailAddress } from './outgoing/send-mail.ts'
import type { MailSettings } from './types.ts'

/** How e-mail is sent; undefined when no mail server is set. Throws `SettingsError`. */
export function readMailSettings(settings: Settings): MailSettings | undefined {
  const { smtpHost: host, smtpFrom: from, smtpUser: user, smtpPassword: password } = settings
  if (host === undefined) return undefined
  if (from === undefined || !isMailAddress(from))
    throw new SettingsError(
      'setting smtpFrom (PRATIQUE_SMTP_FROM) has to be an address such as registry@example.com',
    )
  return {
    host,
    port: settings.smtpPort,
    security: settings.smtpSecurity,
    from,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
  }
}
