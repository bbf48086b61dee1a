import type { create as Create } from 'xmlbuilder2'
import type { Finding } from '../../../scanning/offline.ts'
import type { GateResult } from '../../types.ts'
import { cleanLine } from '../clean-line.ts'
import { advisoryUrl, acceptedException, findingsOf, imagesOf, tellFix } from '../tell-findings.ts'
import type { ReportFormat } from '../types.ts'
import { wordOf } from '../word-of.ts'

type Builder = ReturnType<typeof Create>

/**
 * JUnit's XML as build servers read it: a suite of the policy's rules and a suite of the findings. A finding is a
 * failed test only where the image fails; in a cleared image it is a skipped one, so that a build server does not
 * mark what the gate let through.
 */
export const junitReport: ReportFormat = {
  name: 'junit',
  mediaType: 'application/xml',
  async write(result) {
    // Loaded by those who ask for it: it is half of what the other formats need together.
    const { create } = await import('xmlbuilder2')
    const root = create({ version: '1.0', encoding: 'UTF-8' }).ele('testsuites', { name: 'pratique' })
    for (const image of imagesOf(result)) {
      addRules(root, image)
      addFindings(root, image)
    }
    return `${root.end({ prettyPrint: true })}\n`
  },
}

function nameOf({ target }: GateResult): string {
  return cleanLine(target.platform === undefined ? target.name : `${target.name} (${target.platform})`)
}

function addRules(root: Builder, image: GateResult): void {
  const { reasons } = image.verdict
  const suite = root.ele('testsuite', {
    name: `policy: ${nameOf(image)}`,
    tests: reasons.length,
    failures: reasons.filter((reason) => wordOf(reason) === 'fail').length,
    errors: reasons.filter((reason) => wordOf(reason) === 'undetermined').length,
    skipped: reasons.filter((reason) => ['warn', 'audit'].includes(wordOf(reason))).length,
  })
  for (const reason of reasons) {
    const test = suite.ele('testcase', { classname: 'policy', name: cleanLine(reason.rule) })
    const [word, message] = [wordOf(reason), cleanLine(reason.message)]
    if (word === 'fail') test.ele('failure', { message, type: word })
    else if (word === 'undetermined') test.ele('error', { message, type: word })
    // Not met, and it does not count.
    else if (word !== 'pass') test.ele('skipped', { message: `${word}: ${message}` })
  }
}

function addFindings(root: Builder, image: GateResult): void {
  const findings = findingsOf(image)
  const skipped = findings.filter((finding) => whySkipped(finding, image) !== undefined).length
  const suite = root.ele('testsuite', {
    name: `findings: ${nameOf(image)}`,
    tests: findings.length,
    failures: findings.length - skipped,
    errors: 0,
    skipped,
  })
  for (const finding of findings) {
    const test = suite.ele('testcase', {
      classname: cleanLine(`${finding.packageType}/${finding.packageName}`),
      name: cleanLine(`${finding.id} in ${finding.packageName} ${finding.installedVersion}`),
    })
    const why = whySkipped(finding, image)
    if (why !== undefined) test.ele('skipped', { message: cleanLine(why) })
    else {
      const message = cleanLine(`${finding.severity}, ${tellFix(finding)}`)
      test
        .ele('failure', { message, type: finding.severity })
        .txt(`${cleanLine(finding.summary)}\n${cleanLine(finding.path)}\n${advisoryUrl(finding.id)}`)
    }
  }
}

function whySkipped(finding: Finding, { verdict }: GateResult): string | undefined {
  const exception = acceptedException(finding)
  if (exception) return `accepted: ${exception.reason}`
  if (finding.removedBy) return 'a later layer removed the package'
  return verdict.state === 'cleared' ? `${finding.severity}: the policy lets it through` : undefined
}
