import { makeSpdxDocument } from '../../../scanning/offline.ts'
import { showableJson } from '../clean-line.ts'
import { joinInventories } from '../join-inventories.ts'
import { advisoryUrl } from '../tell-findings.ts'
import type { ReportFormat } from '../types.ts'

/** SPDX 2.3 with the advisories of each package (annex F, "Security" references of type advisory). */
export const spdxReport: ReportFormat = {
  name: 'spdx',
  mediaType: 'application/spdx+json',
  write: (result) => {
    const { inventory, findings } = joinInventories(result)
    const ids = new Map<unknown, Set<string>>()
    for (const { finding, found } of findings) ids.set(found, (ids.get(found) ?? new Set()).add(finding.id))
    const { name, digest } = result.target
    const time = new Date(result.finishedAt)
    const subject = {
      name,
      ...(digest === undefined ? {} : { digest }),
      ...(Number.isNaN(time.getTime()) ? {} : { createdAt: time }),
    }
    return showableJson(
      makeSpdxDocument(subject, inventory, (found) =>
        [...(ids.get(found) ?? [])].map((id) => ({
          referenceCategory: 'SECURITY',
          referenceType: 'advisory',
          referenceLocator: advisoryUrl(id),
        })),
      ),
    )
  },
}
