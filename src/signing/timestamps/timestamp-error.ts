/** Why a timestamp proves nothing. */
export class TimestampError extends Error {}
