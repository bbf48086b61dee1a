import type { Finding } from '../../../scanning/offline.ts'
import type { GateResult } from '../../types.ts'
import { cleanLine } from '../clean-line.ts'
import {
  acceptedException,
  findingsOf,
  imagesOf,
  tellCounts,
  tellFix,
  tellGaps,
  tellInventory,
} from '../tell-findings.ts'
import type { ReportFormat } from '../types.ts'
import { wordOf } from '../word-of.ts'

/** A comment has a limit of its own; the whole list is in the other formats. */
const maximumFindings = 50
const maximumLines = 20

/** GitHub's and GitLab's Markdown, for a comment on a merge request. */
export const markdownReport: ReportFormat = {
  name: 'markdown',
  mediaType: 'text/markdown; charset=utf-8',
  write: (result) =>
    `${[
      `## Pratique: ${result.verdict.state}`,
      ...imagesOf(result).flatMap((image) => ['', ...tellImage(image)]),
    ].join('\n')}\n`,
}

function tellImage(image: GateResult): readonly string[] {
  const { name, platform } = image.target
  const findings = findingsOf(image)
  const [first, ...more] = image.advice
  return [
    `### ${code(platform === undefined ? name : `${name} (${platform})`)}: ${image.verdict.state}`,
    '',
    `${code(tellInventory(image))}${image.report ? ` — ${tellCounts(findings)}` : ''}`,
    '',
    ...some(image.verdict.reasons.map((one) => `- ${wordOf(one)}: ${code(`${one.rule}: ${one.message}`)}`)),
    ...some(tellGaps(image).map((gap) => `- ${code(gap)}`)),
    ...(first === undefined ? [] : ['', '**What to change**', '']),
    ...some([first, ...more].filter((one) => one !== undefined).map((one) => `- ${code(one)}`)),
    ...(findings.length > 0 ? ['', ...tellFindings(findings)] : []),
  ]
}

function tellFindings(findings: readonly Finding[]): readonly string[] {
  const left = findings.length - maximumFindings
  return [
    `<details><summary>${findings.length} findings</summary>`,
    '',
    '| severity | vulnerability | package | installed | fix | layer |',
    '| --- | --- | --- | --- | --- | --- |',
    ...findings.slice(0, maximumFindings).map(tellFinding),
    ...(left > 0 ? ['', `and ${left} more`] : []),
    '',
    '</details>',
  ]
}

function tellFinding(finding: Finding): string {
  const place = acceptedException(finding)
    ? 'accepted'
    : finding.removedBy
      ? 'removed'
      : code(finding.base === undefined ? String(finding.layer + 1) : `base ${finding.base}`)
  return `| ${finding.severity} | ${code(finding.id)} | ${code(finding.packageName)} | ${code(
    finding.installedVersion,
  )} | ${code(tellFix(finding))} | ${place} |`
}

/**
 * Foreign text, where it can neither link nor mention nor close the span (CommonMark 6.1). Inside a table no
 * escape keeps a bar after a backslash from ending the cell (GFM 4.10), so that a bar becomes a broken one.
 */
function code(text: string): string {
  const inner = cleanLine(text, 400).replaceAll('`', "'").replaceAll('|', '¦')
  return `\`${inner || ' '}\``
}

function some(lines: readonly string[]): readonly string[] {
  const left = lines.length - maximumLines
  return [...lines.slice(0, maximumLines), ...(left > 0 ? [`- and ${left} more`] : [])]
}
