import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LinuxContainerResources } from '../cri/cri-types.ts'
import { getRuntime, placesOf, type EngineParts } from './engine-parts.ts'
import { requireLimits } from './runtime-containers.ts'
import { resourcesOf } from './runtime-spec.ts'
import type { ContainerRecord } from './types.ts'

/** Changes what a container may use, while it runs too. */
export async function updateContainer(
  parts: EngineParts,
  { id, podId, state, config }: ContainerRecord,
  linux: LinuxContainerResources | null,
): Promise<void> {
  const pod = parts.pods.get(podId)
  const resources = resourcesOf(linux)
  const runtime = getRuntime(parts, pod.handler)
  requireLimits(runtime, { linux: { resources: linux } })
  if (state === 'running') await runtime.update(pod, id, resources)
  if (state === 'created') rewriteResources(placesOf(parts, id).bundle, resources)
  const securityContext = config.linux?.securityContext ?? null
  // It may have ended while the runtime was asked.
  parts.containers.save({
    ...parts.containers.get(id),
    config: { ...config, linux: { securityContext, resources: merge(config.linux?.resources, linux) } },
  })
}

/** What is not said stays as it was: in the CRI that is an empty value. */
function merge(
  before: LinuxContainerResources | null | undefined,
  changes: LinuxContainerResources | null,
): LinuxContainerResources | null {
  if (!before || !changes) return changes ?? before ?? null
  const said = Object.entries(changes).filter(([, value]) => !isEmpty(value))
  return { ...before, ...Object.fromEntries(said) }
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null ? Object.keys(value).length === 0 : !value
}

/** What does not run yet starts with its new limits. */
function rewriteResources(bundle: string, resources: object): void {
  const file = join(bundle, 'config.json')
  const spec = JSON.parse(readFileSync(file, 'utf8')) as { linux: { resources?: Record<string, object> } }
  const before = spec.linux.resources
  const changed = Object.entries(resources).map(([name, one]) => [name, { ...before?.[name], ...one }])
  const linux = { ...spec.linux, resources: { ...before, ...Object.fromEntries(changed) } }
  writeFileSync(`${file}.new`, JSON.stringify({ ...spec, linux }), { mode: 0o600 })
  renameSync(`${file}.new`, file)
}
