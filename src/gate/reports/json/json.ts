import type { GateResult } from '../../types.ts'
import { showableJson } from '../clean-line.ts'
import { tellInventory } from '../tell-findings.ts'
import type { ReportFormat } from '../types.ts'

/** Everything of the result but the list of packages, which is what the SBOM formats are for. */
export const jsonReport: ReportFormat = {
  name: 'json',
  mediaType: 'application/json',
  write: (result) => showableJson(withoutPackages(result)),
}

function withoutPackages({ inventory, images, ...result }: GateResult): Readonly<Record<string, unknown>> {
  return {
    ...result,
    ...(inventory ? { inventory: summarise(inventory, { ...result, inventory }) } : {}),
    ...(images ? { images: images.map(withoutPackages) } : {}),
  }
}

function summarise(
  { operatingSystem, packages, layers, unknowns }: NonNullable<GateResult['inventory']>,
  result: GateResult,
): Readonly<Record<string, unknown>> {
  return {
    summary: tellInventory(result),
    ...(operatingSystem ? { operatingSystem } : {}),
    packages: packages.length,
    layers,
    unknowns,
  }
}
