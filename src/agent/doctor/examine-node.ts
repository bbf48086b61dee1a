import { checkContainerd } from './check-containerd.ts'
import { checkContainers } from './check-containers.ts'
import { checkCrio } from './check-crio.ts'
import { checkNode } from './check-node.ts'
import { checkRuntimes } from './check-runtimes.ts'
import { Report, type Check, type Machine } from './types.ts'

/** Looks for all that would let an image run without being verified. Changes nothing. */
export async function examineNode(machine: Machine): Promise<Check[]> {
  const node = await checkNode(machine)
  const found = [
    ...(await checkContainerd(machine, node.config)),
    ...checkCrio(machine, node),
    ...checkContainers(machine, node),
  ]
  if (found.length === 0) {
    const report = new Report('node')
    report.unknown(
      'runtime',
      'no containerd, CRI-O or policy of containers/image was found',
      'Run it on a node, or name its root with --root.',
    )
    found.push(...report.checks)
  }
  return [...node.checks, ...found, ...checkRuntimes(machine, node.config)]
}
