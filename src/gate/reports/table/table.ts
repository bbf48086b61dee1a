import type { Finding } from '../../../scanning/offline.ts'
import type { GateResult } from '../../types.ts'
import { cleanLine } from '../clean-line.ts'
import {
  acceptedException,
  findingsOf,
  imagesOf,
  tellCounts,
  tellGaps,
  tellInventory,
} from '../tell-findings.ts'
import type { ReportFormat } from '../types.ts'
import { layOutTable, wrapItem } from './lay-out-table.ts'
import { wordOf } from '../word-of.ts'

const width = 80
const maximumGaps = 10

/** For people on a terminal: 80 columns, and nothing in it that a terminal acts on. */
export const tableReport: ReportFormat = {
  name: 'table',
  mediaType: 'text/plain; charset=utf-8',
  write: (result) => {
    const images = imagesOf(result)
    return `${[
      ...images.flatMap((image) => [...tellImage(image), '']),
      ...(result.images ? tellVerdict(result) : []),
    ]
      .join('\n')
      .trimEnd()}\n`
  },
}

function tellImage(image: GateResult): readonly string[] {
  const { name, platform, digest } = image.target
  const findings = findingsOf(image)
  return [
    ...item(platform === undefined ? name : `${name} (${platform})`),
    ...(digest === undefined || name.includes(digest) ? [] : item(digest)),
    ...item(tellInventory(image)),
    '',
    ...(findings.length > 0 ? [...tellFindings(findings), ''] : []),
    ...(image.report ? item(tellCounts(findings)) : []),
    ...tellSome(tellGaps(image)),
    ...(image.advice.length > 0 ? ['', 'What to change'] : []),
    ...image.advice.flatMap((one) => item(one, '  - ')),
    '',
    ...tellVerdict(image),
  ]
}

function tellFindings(findings: readonly Finding[]): readonly string[] {
  const rows = findings.map((one) => [
    one.severity,
    cleanLine(one.id, 200),
    cleanLine(one.packageName, 200),
    cleanLine(one.installedVersion, 200),
    cleanLine(one.fixedVersion ?? fixWord(one), 200),
    placeOf(one),
  ])
  const columns = [
    { title: 'SEVERITY', maximum: 10 },
    { title: 'ID', maximum: 20 },
    { title: 'PACKAGE', isWide: true },
    { title: 'INSTALLED', isWide: true },
    { title: 'FIXED', isWide: true },
    { title: 'FROM', maximum: 9 },
  ]
  return layOutTable(columns, rows, width)
}

function fixWord({ fixState }: Finding): string {
  return fixState === 'unknown' || fixState === 'unfixed' || fixState === 'fixed' ? '-' : fixState
}

/** What brought it: the base, or the layer; or why it does not count. */
function placeOf(finding: Finding): string {
  if (acceptedException(finding)) return 'accepted'
  if (finding.removedBy) return 'removed'
  return finding.base === undefined ? `layer ${finding.layer + 1}` : 'base'
}

function tellVerdict({ verdict }: GateResult): readonly string[] {
  return [
    verdict.state.toUpperCase(),
    ...verdict.reasons.flatMap((reason) =>
      item(`${reason.rule}: ${reason.message}`, `  ${wordOf(reason)}  `),
    ),
  ]
}

function tellSome(gaps: readonly string[]): readonly string[] {
  const left = gaps.length - maximumGaps
  return [...gaps.slice(0, maximumGaps), ...(left > 0 ? [`and ${left} more`] : [])].flatMap((gap) =>
    item(gap),
  )
}

function item(text: string, bullet = ''): readonly string[] {
  return wrapItem(cleanLine(text), bullet, width)
}
