import { GateFailure } from '../failures.ts'
import { cycloneDxReport } from './cyclonedx/cyclonedx.ts'
import { gitlabReport } from './gitlab/gitlab.ts'
import { htmlReport } from './html/html.ts'
import { jsonReport } from './json/json.ts'
import { junitReport } from './junit/junit.ts'
import { markdownReport } from './markdown/markdown.ts'
import { sarifReport } from './sarif/sarif.ts'
import { spdxReport } from './spdx/spdx.ts'
import { tableReport } from './table/table.ts'
import type { ReportFormat } from './types.ts'

/** Every form that a result can be given in. */
export const reportFormats: readonly ReportFormat[] = [
  tableReport,
  jsonReport,
  sarifReport,
  junitReport,
  gitlabReport,
  cycloneDxReport,
  spdxReport,
  htmlReport,
  markdownReport,
]

/** Throws REPORT_UNKNOWN. */
export function getReportFormat(name: string): ReportFormat {
  const format = reportFormats.find((one) => one.name === name)
  if (format) return format
  const known = reportFormats.map((one) => one.name).join(', ')
  throw new GateFailure('REPORT_UNKNOWN', `${name} is no report format; choose one of ${known}`)
}

export { adviseFixes, type NewerBase } from './advise-fixes.ts'
export type { ReportFormat } from './types.ts'
