import { Failure, type FailureStatuses } from '../kernel/failure.ts'

export const runtimeFailures = {
  /** There is no runtime of this name. */
  EXPORT_UNKNOWN: 400,
  /** What was asked for a runtime cannot be written for it. */
  EXPORT_INVALID: 400,
  /** What a node is to trust is not from the server, is too old, or is for another registry. */
  TRUST_INVALID: 400,
  /** A runtime asks for a verdict in a way that is not understood. */
  CALL_INVALID: 400,
  /** A token of a node is not known, was used, or is too old. */
  NODE_TOKEN_INVALID: 403,
  /** A node shows no certificate that is believed, or was removed. */
  NODE_UNKNOWN: 401,
  /** A request to be certified is not understood. */
  NODE_REQUEST_INVALID: 400,
  NODE_NAME_TAKEN: 409,
  NODE_NOT_FOUND: 404,
} as const satisfies FailureStatuses

export class RuntimeFailure extends Failure<keyof typeof runtimeFailures> {}
