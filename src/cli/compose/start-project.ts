import { mkdirSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { CriClient } from '../../agent/serve.ts'
import { CommandError } from '../client.ts'
import { followLog } from '../containers/follow-log.ts'
import { removePod, statusOf } from '../containers/run-command.ts'
import { writeHosts } from './hosts-files.ts'
import { bringCleared, prepareService, type Prepared } from './prepare-service.ts'
import { listPods, listServices, type RunningService, type Surroundings } from './project-pods.ts'
import type { Project } from './read-project.ts'

const pollMs = 200
/** Of a task that others wait for in vain. */
const shownLines = 20

/**
 * Starts what does not run as the file has it, and leaves the rest. All images are cleared and here, and all of what
 * the agent will be given is made, before anything is taken down or started; when one service does not start, or it is
 * interrupted, those that were started for it are taken away again.
 */
export async function startProject(parts: Surroundings, project: Project): Promise<void> {
  const { client, socket } = parts
  const wanted: Prepared[] = []
  for (const service of project.services) {
    wanted.push(prepareService(socket, project.name, service, await bringCleared(socket, service)))
  }
  const kept = await removeOutdated(parts, project, wanted)
  const missing = wanted.filter(({ name }) => !kept.some(({ service }) => service === name))
  const pods = new Map(kept.map(({ service, podId }) => [service, podId]))
  const made: string[] = []
  await untilInterrupted(async (signal) => {
    try {
      // All before any container, so that each knows the addresses of all.
      for (const { name, pod, runtimeHandler } of missing) {
        signal.throwIfAborted()
        const { podSandboxId } = await client.call('RunPodSandbox', { config: pod, runtimeHandler })
        made.push(podSandboxId)
        pods.set(name, podSandboxId)
      }
      await writeHosts(client, socket, project, pods)
      for (const one of missing) {
        await waitFor(parts, project.name, one, signal)
        await startService(parts, one, pods.get(one.name) ?? '')
      }
      signal.throwIfAborted()
    } catch (error) {
      for (const podId of made.toReversed()) await removePod(client, socket, podId).catch(() => {})
      throw error
    }
  })
}

/** Takes away what is not as it is wanted, and pods that an `up` which was killed has left. Gives what stays. */
async function removeOutdated(
  { client, socket, say }: Surroundings,
  project: Project,
  wanted: readonly Prepared[],
): Promise<RunningService[]> {
  const all: RunningService[] = []
  for (const { podId, service, containers } of await listPods(client, project.name)) {
    const kept: RunningService[] = []
    for (const one of containers) if (await isKept(client, project, wanted, one)) kept.push(one)
    all.push(...kept)
    if (kept.length > 0) continue
    if (containers.length === 0 || project.services.some(({ name }) => name === service))
      await removePod(client, socket, podId)
    else say(`${service} is not in the file any more; pratique compose down takes it away`)
  }
  return all
}

/** What others wait for to have ended well is done when it has ended so; all else has to run. */
async function isKept(
  client: CriClient,
  { services }: Project,
  wanted: readonly Prepared[],
  { service, hash, state, containerId }: RunningService,
): Promise<boolean> {
  if (!wanted.some((one) => one.name === service && one.hash === hash)) return false
  if (state === 'running') return true
  const isTask = services.some(({ dependsOn }) => dependsOn.get(service) === true)
  return isTask && state === 'exited' && (await statusOf(client, containerId)).exitCode === 0
}

async function startService(
  { client, say }: Surroundings,
  { name, pod, container }: Prepared,
  podSandboxId: string,
): Promise<void> {
  mkdirSync(pod.logDirectory, { recursive: true, mode: 0o755 })
  const { containerId } = await client.call('CreateContainer', {
    podSandboxId,
    sandboxConfig: pod,
    config: container,
  })
  await client.call('StartContainer', { containerId })
  say(`${name} started`)
}

async function waitFor(
  { client, say }: Surroundings,
  project: string,
  { name, dependsOn }: Prepared,
  signal: AbortSignal,
): Promise<void> {
  for (const [other, hasToEnd] of dependsOn) {
    if (!hasToEnd) continue
    const found = (await listServices(client, project)).find(({ service }) => service === other)
    for (;;) {
      signal.throwIfAborted()
      const { state, exitCode, logPath } = await statusOf(client, found?.containerId ?? '')
      if (state === 'CONTAINER_EXITED' && exitCode === 0) break
      if (state === 'CONTAINER_EXITED') {
        // Its log is about to go with it.
        for (const line of await lastLines(logPath)) say(`${other} | ${line}`)
        throw new CommandError(
          `${other}, which ${name} waits for, ended with ${exitCode}: see what it has printed, and mend it`,
        )
      }
      await pause(pollMs)
    }
  }
  signal.throwIfAborted()
}

async function lastLines(logPath: string): Promise<string[]> {
  const lines: string[] = []
  for await (const { content } of followLog(logPath, () => true)) {
    lines.push(content.toString())
    if (lines.length > shownLines) lines.shift()
  }
  return lines
}

/** The first interruption is a signal for what is under way, which may have to clean up; the second ends at once. */
async function untilInterrupted<Result>(use: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const controller = new AbortController()
  const interrupt = (): void =>
    controller.abort(new CommandError('interrupted; what was started is taken away again'))
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const one of signals) process.once(one, interrupt)
  try {
    return await use(controller.signal)
  } finally {
    for (const one of signals) process.off(one, interrupt)
  }
}
