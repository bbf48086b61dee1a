import { stringify } from 'yaml'
import type { RuntimeReport } from './types.ts'

export interface RuntimeClassOptions {
  /** Labels of the nodes that have these runtimes; without them pods may land where a handler is not. */
  readonly nodeSelector?: Readonly<Record<string, string>> | undefined
  /** Put in front of the names of the objects. */
  readonly prefix?: string | undefined
}

/** A RuntimeClass (node.k8s.io/v1). */
export interface RuntimeClass {
  readonly apiVersion: 'node.k8s.io/v1'
  readonly kind: 'RuntimeClass'
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  readonly handler: string
  readonly overhead?: { readonly podFixed: Readonly<Record<string, string>> }
  readonly scheduling?: { readonly nodeSelector: Readonly<Record<string, string>> }
}

const mebibyte = 1024 * 1024
const isolationLabel = 'pratique.dev/isolation'

/**
 * A RuntimeClass for each handler that is not broken. What a pod costs beyond its containers is what was measured here,
 * rounded up; what was not measured is left out, as a wrong number would be believed.
 */
export function runtimeClasses(
  reports: readonly RuntimeReport[],
  { nodeSelector, prefix = '' }: RuntimeClassOptions = {},
): RuntimeClass[] {
  return reports
    .filter(({ state }) => state !== 'broken')
    .map((report): RuntimeClass => {
      const podFixed = overheadOf(report)
      return {
        apiVersion: 'node.k8s.io/v1',
        kind: 'RuntimeClass',
        metadata: {
          name: `${prefix}${report.handler}`,
          labels: report.isolation ? { [isolationLabel]: report.isolation } : {},
        },
        handler: report.handler,
        ...(Object.keys(podFixed).length > 0 ? { overhead: { podFixed } } : {}),
        ...(nodeSelector && Object.keys(nodeSelector).length > 0 ? { scheduling: { nodeSelector } } : {}),
      }
    })
}

/** Quantities as Kubernetes writes them: whole mebibytes, and thousandths of a processor. */
function overheadOf(report: RuntimeReport): Record<string, string> {
  const { cpuMillicores = 0 } = report
  const memoryBytes = report.podMemoryBytes ?? report.memoryBytes ?? 0
  return {
    ...(memoryBytes > 0 ? { memory: `${Math.ceil(memoryBytes / mebibyte)}Mi` } : {}),
    ...(cpuMillicores > 0 ? { cpu: `${Math.ceil(cpuMillicores)}m` } : {}),
  }
}

/** All of them in one file. */
export function writeRuntimeClasses(classes: readonly RuntimeClass[]): string {
  return classes.map((one) => stringify(one)).join('---\n')
}
