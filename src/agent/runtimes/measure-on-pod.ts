import { setTimeout as wait } from 'node:timers/promises'
import { randomUUID } from 'node:crypto'
import type { Backend, CallContext } from '../cri/backend.ts'
import type { CriCalls } from '../cri/cri-types.ts'
import { decode, encode, getCall, type CallName, type Loose } from '../cri/protocol.ts'
import { findProcesses, memoryOf, runTimeOf } from './measure-processes.ts'
import { median } from './probe-runtime.ts'
import type { FoundRuntime } from './report-runtimes.ts'

export interface PodMeasureOptions {
  readonly samples?: number
  readonly signal: AbortSignal
  readonly idleMs?: number
}

export type PodMeasurement = Pick<FoundRuntime, 'podStartMs' | 'podMemoryBytes' | 'cpuMillicores'>

/**
 * What a pod without containers takes on a backend: time until it is ready, and what its shim, its sandbox and its
 * pause container hold. The pod has the node's network, so that no address is taken. Its backend needs its pause image.
 * Every pod is removed again. Throws `CriFailure` when the backend cannot run it.
 */
export async function measureOnPod(
  backend: Backend,
  backendHandler: string,
  { samples = 3, signal, idleMs = 500 }: PodMeasureOptions,
): Promise<PodMeasurement> {
  const times: number[] = []
  let held: Omit<PodMeasurement, 'podStartMs'> = {}
  for (let sample = 0; sample < samples; sample++) {
    const begun = performance.now()
    const { podSandboxId } = await ask(
      backend,
      'RunPodSandbox',
      { config: newPod(), runtimeHandler: backendHandler },
      signal,
    )
    try {
      times.push(performance.now() - begun)
      if (sample === 0) held = await measureHeld(podSandboxId, idleMs)
    } finally {
      await removePod(backend, podSandboxId)
    }
  }
  return { podStartMs: Math.round(median(times) * 10) / 10, ...held }
}

const removeMs = 30_000

/** Also when the time for measuring is over. */
async function removePod(backend: Backend, podSandboxId: string): Promise<void> {
  const signal = AbortSignal.timeout(removeMs)
  await ask(backend, 'StopPodSandbox', { podSandboxId }, signal)
  await ask(backend, 'RemovePodSandbox', { podSandboxId }, signal)
}

async function measureHeld(podId: string, idleMs: number): Promise<Omit<PodMeasurement, 'podStartMs'>> {
  const processes = findProcesses(podId)
  const before = runTimeOf(processes)
  await wait(idleMs)
  const nanoseconds = Math.max(0, runTimeOf(processes) - before)
  return { podMemoryBytes: memoryOf(processes), cpuMillicores: Math.round(nanoseconds / 1_000 / idleMs) }
}

function newPod(): Loose<CriCalls['RunPodSandbox']['request']['config']> {
  const uid = randomUUID()
  return {
    metadata: { name: `probe-${uid}`, uid, namespace: 'pratique', attempt: 0 },
    linux: { securityContext: { namespaceOptions: { network: 'NODE' } } },
  }
}

async function ask<Name extends CallName>(
  backend: Backend,
  name: Name,
  request: Loose<CriCalls[Name]['request']>,
  signal: AbortSignal,
): Promise<CriCalls[Name]['response']> {
  const { requestType, responseType } = getCall(name)
  const context: CallContext = { signal }
  return decode(responseType, await backend.call(name, encode(requestType, request as never), context))
}
