import type { GateResult } from '../types.ts'

/** A form that a result can be given in. */
export interface ReportFormat {
  readonly name: string
  readonly mediaType: string
  write(result: GateResult): string | Buffer | Promise<string | Buffer>
}
