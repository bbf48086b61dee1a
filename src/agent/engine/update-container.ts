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
    config: { ...config, linux: { securityContext, resources: linux } },
  })
}

/** What does not run yet starts with its new limits. */
function rewriteResources(bundle: string, resources: object): void {
  const file = join(bundle, 'config.json')
  const spec = JSON.parse(readFileSync(file, 'utf8')) as { linux: { resources?: object } }
  const linux = { ...spec.linux, resources: { ...spec.linux.resources, ...resources } }
  writeFileSync(`${file}.new`, JSON.stringify({ ...spec, linux }), { mode: 0o600 })
  renameSync(`${file}.new`, file)
}
