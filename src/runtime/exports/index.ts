import { RuntimeFailure } from '../failures.ts'
import type { RuntimeExport } from '../types.ts'
import { agent } from './agent.ts'
import { containerd } from './containerd.ts'
import { containers } from './containers/index.ts'
import { crio } from './crio.ts'
import { kyverno } from './kyverno.ts'
import { notation } from './notation.ts'
import { policyController } from './policy-controller.ts'

/** Every runtime that can be told what to verify. */
export const runtimeExports: readonly RuntimeExport[] = [
  agent,
  containers,
  crio,
  containerd,
  notation,
  policyController,
  kyverno,
]

/** Throws EXPORT_UNKNOWN with the names that there are. */
export function getRuntimeExport(name: string): RuntimeExport {
  const found = runtimeExports.find((one) => one.name === name)
  if (found) return found
  const names = runtimeExports.map((one) => one.name).join(', ')
  throw new RuntimeFailure('EXPORT_UNKNOWN', `there is no export ${JSON.stringify(name)}; there are ${names}`)
}
