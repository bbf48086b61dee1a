import { Failure } from '../../kernel/failure.ts'

/** Status codes of gRPC that the agent answers with (gRPC, "Status codes and their use in gRPC"). */
export const statusNumbers = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const

export type StatusName = keyof typeof statusNumbers

/** A refusal of a call: a gRPC status, and a message that names the thing and the remedy. */
export class CriFailure extends Failure<StatusName> {}
