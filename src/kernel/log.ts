import { pino, type Logger } from 'pino'

/** The structured log: one JSON object a line on standard error. */
export type Log = Logger

export type LogLevel = 'silent' | 'error' | 'warn' | 'info' | 'debug'

/** Opens the log. Values under the names in `redact` never reach it. */
export function openLog(level: LogLevel): Log {
  return pino(
    { level, redact: ['req.headers.authorization', 'password', 'secret', 'token'] },
    pino.destination({ fd: 2, sync: false }),
  )
}
