import { uuidOf, type Finding, type Severity } from '../../../scanning/offline.ts'
import type { GateResult } from '../../types.ts'
import { cleanLine, showableJson } from '../clean-line.ts'
import { advisoryUrl, findingsOf, fingerprint, imagesOf, isCounted, tellFix } from '../tell-findings.ts'
import type { ReportFormat } from '../types.ts'

type Part = Readonly<Record<string, unknown>>

const tool = { id: 'pratique', name: 'Pratique', version: '1', vendor: { name: 'Pratique' } }

/**
 * GitLab's container scanning report, schema 15.0.2. It has no place for findings that do not count, so those
 * are left out.
 */
export const gitlabReport: ReportFormat = {
  name: 'gitlab',
  mediaType: 'application/json',
  write: (result) =>
    showableJson({
      version: '15.0.2',
      scan: {
        analyzer: tool,
        scanner: tool,
        type: 'container_scanning',
        start_time: gitlabTime(result.startedAt),
        end_time: gitlabTime(result.finishedAt),
        status: result.verdict.state === 'unscannable' ? 'failure' : 'success',
        messages: messagesOf(result),
      },
      vulnerabilities: imagesOf(result).flatMap((image) =>
        findingsOf(image)
          .filter(isCounted)
          .map((finding) => makeVulnerability(finding, image)),
      ),
    }),
}

/** UTC without a zone. */
function gitlabTime(text: string): string {
  const time = new Date(text)
  const known = Number.isNaN(time.getTime()) ? new Date(0) : time
  return known.toISOString().slice(-24, -5)
}

function messagesOf({ verdict }: GateResult): readonly Part[] {
  return verdict.reasons
    .filter(({ outcome }) => outcome !== 'pass')
    .map(({ rule, outcome, message, mode }) => ({
      level: mode ? 'info' : outcome === 'fail' ? 'warn' : 'fatal',
      value: cleanLine(`${rule}: ${message}`),
    }))
}

const severityWords: Readonly<Record<Severity, string>> = {
  critical: 'Critical',
  high: 'High',
  medium: 'Medium',
  low: 'Low',
  negligible: 'Info',
  unknown: 'Unknown',
}

function makeVulnerability(finding: Finding, image: GateResult): Part {
  const { id, packageName, installedVersion, fixedVersion, severity } = finding
  const system = image.inventory?.operatingSystem
  const name = cleanLine(packageName, 200) || 'unknown'
  return {
    id: uuidOf(`${image.target.name} ${image.target.platform ?? ''} ${fingerprint(finding)}`),
    name: cleanLine(`${id} in ${packageName}`, 255),
    description: cleanLine(finding.summary, 10_000),
    severity: severityWords[severity],
    ...(fixedVersion === undefined
      ? {}
      : { solution: cleanLine(`Update ${packageName} ${installedVersion}: ${tellFix(finding)}.`) }),
    identifiers: [id, ...finding.aliases].slice(0, 20).map(makeIdentifier),
    links: [{ url: advisoryUrl(id) }],
    location: {
      dependency: { package: { name }, version: cleanLine(installedVersion, 200) },
      operating_system: cleanLine(system ? `${system.id} ${system.versionId}` : 'unknown', 200) || 'unknown',
      image: cleanLine(image.target.name, 500) || 'image',
    },
  }
}

function makeIdentifier(id: string): Part {
  const value = cleanLine(id, 200) || 'unknown'
  const type = /^CVE-\d/.test(id) ? 'cve' : id.startsWith('GHSA-') ? 'ghsa' : 'pratique'
  return { type, name: value, value, url: advisoryUrl(id) }
}
