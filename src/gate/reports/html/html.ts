import { severities, type Finding } from '../../../scanning/offline.ts'
import type { GateResult } from '../../types.ts'
import {
  advisoryUrl,
  acceptedException,
  findingsOf,
  imagesOf,
  isCounted,
  tellCounts,
  tellFix,
  tellGaps,
  tellInventory,
} from '../tell-findings.ts'
import type { ReportFormat } from '../types.ts'
import { html, Markup } from './escape-html.ts'
import { contentSecurityPolicy, script, style } from './page-assets.ts'
import { wordOf } from '../word-of.ts'

/** One page with all it needs in it, that may be opened from a disk or kept as a build's artefact. */
export const htmlReport: ReportFormat = {
  name: 'html',
  mediaType: 'text/html; charset=utf-8',
  write: (result) => makePage(result).text,
}

function makePage(result: GateResult): Markup {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${contentSecurityPolicy}" />
        <meta name="referrer" content="no-referrer" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${result.verdict.state}: ${result.target.name}</title>
        ${new Markup(`<style>${style}</style>`)}
      </head>
      <body>
        <main>${result.images ? [describeWhole(result)] : []}${imagesOf(result).map(describeImage)}</main>
        ${new Markup(`<script>${script}</script>`)}
      </body>
    </html> `
}

function describeWhole({ target, verdict, images }: GateResult): Markup {
  return html`<section>
    <h1>${target.name}</h1>
    <p class="soft">${images?.length ?? 0} images, judged by the worst of them</p>
    <p class="state ${verdict.state}">${verdict.state}</p>
  </section>`
}

function describeImage(image: GateResult): Markup {
  const { target, verdict, advice, finishedAt } = image
  const title = target.platform === undefined ? target.name : `${target.name} (${target.platform})`
  const findings = findingsOf(image)
  return html`<section>
    <h1>${title}</h1>
    <p class="soft"><code>${target.digest ?? target.kind}</code></p>
    <p class="soft">${tellInventory(image)}; scanned ${tellTime(finishedAt)}</p>
    <p class="state ${verdict.state}">${verdict.state}</p>
    ${describeList(
      'Rules',
      verdict.reasons.map((reason) => `${wordOf(reason)} – ${reason.rule}: ${reason.message}`),
    )}
    ${describeList('What to change', advice)} ${describeList('Not known', tellGaps(image))}
    ${image.report ? describeFindings(findings) : []}
  </section>`
}

function describeList(title: string, lines: readonly string[]): Markup | readonly Markup[] {
  if (lines.length === 0) return []
  return html`<h2>${title}</h2>
    <ul>
      ${lines.map((line) => html`<li>${line}</li>`)}
    </ul>`
}

const columns = ['Severity', 'Vulnerability', 'Package', 'Installed', 'Fix', 'Brought by', 'Summary']

function describeFindings(findings: readonly Finding[]): Markup {
  const head = columns.map((title) => html`<th scope="col"><button type="button">${title}</button></th>`)
  return html`<h2>Findings</h2>
    <p>${tellCounts(findings)}</p>
    ${
      findings.length === 0
        ? []
        : html`<div class="table">
            <table>
              <thead>
                <tr>
                  ${head}
                </tr>
              </thead>
              <tbody>
                ${findings.map(describeFinding)}
              </tbody>
            </table>
          </div>`
    }`
}

const systemTypes: readonly string[] = ['deb', 'apk', 'rpm']

function describeFinding(finding: Finding): Markup {
  const { severity, score, id, packageName, installedVersion, summary, exploitedSince, path } = finding
  // All of a distribution's packages stand in one file: naming it would tell nothing.
  const isSystem = systemTypes.includes(finding.packageType)
  return html`<tr class="${isCounted(finding) ? 'counts' : 'aside'}">
    <td data-sort="${severities.indexOf(severity)}" class="${severity}">
      ${score === undefined ? severity : `${severity} ${score}`}
    </td>
    <td><a href="${advisoryUrl(id)}" rel="noreferrer noopener">${id}</a></td>
    <td>${packageName}${isSystem ? [] : html`<br /><code class="soft">${path}</code>`}</td>
    <td>${installedVersion}</td>
    <td>${tellFix(finding)}</td>
    <td>${tellPlace(finding)}</td>
    <td>
      ${exploitedSince === undefined ? summary : `Known to be exploited since ${exploitedSince}. ${summary}`}
    </td>
  </tr>`
}

function tellPlace(finding: Finding): string {
  const exception = acceptedException(finding)
  if (exception) return `accepted: ${exception.reason}`
  const place = finding.base === undefined ? `layer ${finding.layer + 1}` : `base ${finding.base}`
  const instruction = finding.instruction === undefined ? '' : `: ${finding.instruction}`
  return `${place}${instruction}${finding.removedBy ? '; removed by a later layer' : ''}`
}

/** `2026-11-25 03:00 UTC`. */
function tellTime(text: string): string {
  const time = new Date(text)
  return Number.isNaN(time.getTime())
    ? 'at an unknown time'
    : `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
