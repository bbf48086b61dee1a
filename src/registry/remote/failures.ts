import { Failure } from '../../kernel/failure.ts'

/** Another registry: not named well, or not answering. `GateFailure` has the same codes for other targets. */
export class RemoteFailure extends Failure<'TARGET_INVALID' | 'TARGET_UNREACHABLE'> {
  /** HTTP status of its answer, if there was one. */
  readonly status: number | undefined

  constructor(code: 'TARGET_INVALID' | 'TARGET_UNREACHABLE', message: string, status?: number) {
    super(code, message)
    this.status = status
  }
}
