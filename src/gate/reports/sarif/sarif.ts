import type { Finding, Severity } from '../../../scanning/offline.ts'
import type { GateResult } from '../../types.ts'
import { cleanLine, showableJson } from '../clean-line.ts'
import {
  advisoryUrl,
  acceptedException,
  findingsOf,
  fingerprint,
  imagesOf,
  tellFix,
} from '../tell-findings.ts'
import type { ReportFormat } from '../types.ts'

type Part = Readonly<Record<string, unknown>>

/** SARIF 2.1.0 (OASIS), with the properties that code hosts sort security results by. */
export const sarifReport: ReportFormat = {
  name: 'sarif',
  mediaType: 'application/sarif+json',
  write: (result) =>
    showableJson({
      $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
      version: '2.1.0',
      runs: imagesOf(result).map(makeRun),
    }),
}

function makeRun(image: GateResult): Part {
  // A removed package does not run, so it is no result; accepted findings are, as suppressed ones (3.27.23).
  const findings = findingsOf(image).filter(({ removedBy }) => removedBy === undefined)
  const rules = Map.groupBy(findings, ({ id }) => id)
  const indices = new Map([...rules.keys()].map((id, index) => [id, index]))
  const isScanned = image.verdict.state !== 'unscannable'
  return {
    tool: { driver: { name: 'Pratique', rules: Array.from(rules, ([id, about]) => makeRule(id, about)) } },
    automationDetails: { id: automationId(image) },
    invocations: [{ executionSuccessful: isScanned, toolExecutionNotifications: notificationsOf(image) }],
    results: findings.map((finding) => makeResult(finding, indices.get(finding.id) ?? 0)),
    properties: { target: image.target, verdict: image.verdict.state },
  }
}

/** 3.17.2: tells runs on one platform from those on another. */
function automationId({ target }: GateResult): string {
  return `pratique/${cleanLine(target.name, 400)}/${target.platform ?? ''}`
}

function notificationsOf({ verdict }: GateResult): readonly Part[] {
  return verdict.reasons
    .filter(({ outcome }) => outcome !== 'pass')
    .map(({ rule, outcome, message, mode }) => ({
      level: mode ? 'note' : outcome === 'fail' ? 'error' : 'warning',
      message: { text: cleanLine(`${rule}: ${message}`) },
    }))
}

function makeRule(id: string, about: readonly Finding[]): Part {
  const first = about[0] as Finding
  const summary = cleanLine(first.summary, 1000) || cleanLine(id)
  return {
    id: cleanLine(id, 200),
    name: 'VulnerablePackage',
    shortDescription: { text: `${cleanLine(id, 200)} in ${cleanLine(first.packageName, 200)}` },
    fullDescription: { text: summary },
    helpUri: advisoryUrl(id),
    help: { text: `${summary}\n${advisoryUrl(id)}` },
    defaultConfiguration: { level: levels[first.severity] },
    properties: {
      tags: ['security', 'vulnerability', first.severity],
      precision: 'very-high',
      ...securitySeverity(about),
    },
  }
}

const levels: Readonly<Record<Severity, string>> = {
  critical: 'error',
  high: 'error',
  medium: 'warning',
  low: 'note',
  negligible: 'note',
  unknown: 'note',
}

/** Inside the range that code hosts name by this word: over 9, over 7, from 4, above 0. */
const scores: Readonly<Partial<Record<Severity, number>>> = {
  critical: 9.5,
  high: 8,
  medium: 5.5,
  low: 2,
  negligible: 0.1,
}

/** The distribution's word counts before the score: a host that shows the score alone would contradict us. */
function securitySeverity(findings: readonly Finding[]): Part {
  const { severity, score } = findings[0] as Finding
  const usual = scores[severity]
  if (score === undefined) return usual === undefined ? {} : { 'security-severity': String(usual) }
  const word = score >= 9 ? 'critical' : score >= 7 ? 'high' : score >= 4 ? 'medium' : 'low'
  return { 'security-severity': String(word === severity || usual === undefined ? score : usual) }
}

function makeResult(finding: Finding, ruleIndex: number): Part {
  const { id, packageName, installedVersion, summary } = finding
  const text = `${packageName} ${installedVersion} has ${id} (${finding.severity}), ${tellFix(finding)}. ${summary}`
  const exception = acceptedException(finding)
  return {
    ruleId: cleanLine(id, 200),
    ruleIndex,
    level: levels[finding.severity],
    message: { text: cleanLine(text) },
    locations: [makeLocation(finding)],
    partialFingerprints: { 'pratiqueFinding/v1': fingerprint(finding) },
    ...(exception
      ? {
          suppressions: [
            { kind: 'external', status: 'accepted', justification: cleanLine(exception.reason) },
          ],
        }
      : {}),
    properties: {
      purl: finding.purl,
      layer: finding.layerDigest,
      ...(finding.instruction === undefined ? {} : { instruction: finding.instruction }),
      ...(finding.base === undefined ? {} : { base: finding.base }),
      ...(finding.epss === undefined ? {} : { epss: finding.epss }),
      ...(finding.exploitedSince === undefined ? {} : { exploitedSince: finding.exploitedSince }),
    },
  }
}

function makeLocation({ path, packageName, installedVersion, packageType }: Finding): Part {
  return {
    physicalLocation: { artifactLocation: { uri: relativeUri(path) }, region: { startLine: 1 } },
    logicalLocations: [
      {
        name: cleanLine(packageName, 400),
        fullyQualifiedName: cleanLine(`${packageType}/${packageName}@${installedVersion}`, 1000),
        kind: 'module',
      },
    ],
  }
}

/** 3.4.3: a relative reference; `!` and what else a URI does not hold is encoded. */
function relativeUri(path: string): string {
  const parts = path
    .toWellFormed()
    .split('/')
    .filter((part) => part !== '' && part !== '.' && part !== '..')
  return parts.map(encodeURIComponent).join('/') || 'image'
}
