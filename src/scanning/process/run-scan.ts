import { fork, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDigest } from '../../kernel/digest.ts'
import { ScanningFailure } from '../failures.ts'
import { LayerCache } from '../layers/layer-cache.ts'
import type { LayerChanges } from '../layers/read-layer.ts'
import type { Inventory } from '../types.ts'
import { verifyLayer } from './verify-layer.ts'
import type { ScanAnswer, ScanTask } from './scan-task.ts'

export interface ScanLimits {
  readonly timeoutMs: number
  /** Resident memory of the scanning process; above it, it is ended. */
  readonly memoryMb: number
}

export const scanLimits: ScanLimits = { timeoutMs: 600_000, memoryMb: 1024 }

const heapMb = 512
const sampleEveryMs = 200
/** Bytes of a page, in which Linux counts resident memory. */
const pageBytes = 4096
/** Of what is known of layers, as much as this process takes itself; what is larger is the scanning process's. */
const knownLayers = 128
const knownBytes = 32 * 1024 * 1024

/**
 * Reads layers in a process of its own, which ends with the scan. Throws SCAN_FAILED for what cannot be read,
 * takes too long or takes too much memory; whatever happens in that process, this one goes on. Where every
 * layer was read before, nothing foreign is left to read, and no process is needed.
 */
export async function runScan(task: ScanTask, limits: ScanLimits, signal?: AbortSignal): Promise<Inventory> {
  const known = await findKnown(task)
  if (!known) return runProcess(task, limits, signal)
  // Loaded when it is first needed: it brings every cataloger, which a server without scans need not hold.
  const { assembleInventory } = await import('./assemble-inventory.ts')
  return assembleInventory(task.layers, known)
}

async function findKnown({ layers, cacheFolder }: ScanTask): Promise<LayerChanges[] | undefined> {
  if (cacheFolder === undefined || layers.length > knownLayers) return undefined
  if (layers.some(({ digest, bytes }) => 'folder' in bytes || !isDigest(digest))) return undefined
  const digests = layers.map(({ digest }) => digest)
  const known = await new LayerCache(cacheFolder).findAll(digests, knownBytes)
  if (!known) return undefined
  for (const layer of layers) await verifyLayer(layer)
  return known
}

async function runProcess(task: ScanTask, limits: ScanLimits, signal?: AbortSignal): Promise<Inventory> {
  const { promise, resolve, reject } = Promise.withResolvers<Inventory>()
  const child = fork(join(import.meta.dirname, 'scan-process.ts'), {
    // What is read passes through short-lived buffers: a young generation of this size costs least.
    execArgv: [
      `--max-old-space-size=${heapMb}`,
      '--max-semi-space-size=16',
      '--disable-warning=ExperimentalWarning',
    ],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  const fail = (why: string): void => reject(new ScanningFailure('SCAN_FAILED', why))
  const stop = (): void => reject(new Error('the scan was interrupted'))
  const timer = setTimeout(() => fail(`the scan took longer than ${limits.timeoutMs} ms`), limits.timeoutMs)
  const sampler = setInterval(() => {
    if (residentMb(child) > limits.memoryMb) fail(`the scan took more than ${limits.memoryMb} MB of memory`)
  }, sampleEveryMs)
  signal?.addEventListener('abort', stop, { once: true })
  child.once('message', (answer) => {
    const { inventory, error } = answer as Partial<{ inventory: Inventory; error: string }> & ScanAnswer
    if (inventory) resolve(inventory)
    else fail(String(error))
  })
  child.once('error', (error) => fail(`the scan could not begin: ${error.message}`))
  child.once('exit', (code, killedBy) => fail(`the scan broke off (${killedBy ?? `exit code ${code}`})`))
  child.send(task)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    clearInterval(sampler)
    signal?.removeEventListener('abort', stop)
    child.kill('SIGKILL')
  }
}

function residentMb(child: ChildProcess): number {
  try {
    const [, resident = '0'] = readFileSync(`/proc/${child.pid}/statm`, 'utf8').split(' ')
    return (Number(resident) * pageBytes) / 1024 ** 2
  } catch {
    // No such file system here, or the process has ended: the limits of its heap and time still hold.
    return 0
  }
}
