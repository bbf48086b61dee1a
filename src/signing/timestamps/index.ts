/** RFC 3161 timestamp tokens, judged against a trust store of timestamp authorities. */
export { TimestampError } from './timestamp-error.ts'
export { maximumTokenBytes, verifyTimestamp, type TimestampQuestion } from './verify-timestamp.ts'
