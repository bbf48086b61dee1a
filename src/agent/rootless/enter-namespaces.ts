import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Log } from '../../kernel/log.ts'
import { placesOf } from '../agent-places.ts'
import { requireUnserved } from '../cri/serve-cri.ts'
import { holderOf, isAlive, readHolder, type Holder } from '../engine/holder.ts'
import { Records } from '../engine/records.ts'
import type { ContainerRecord, PodRecord } from '../engine/types.ts'
import { writeWhole } from '../enrolment/server-link.ts'
import { readNodeConfig } from '../read-node.ts'
import { findBackends } from '../runtimes/find-backends.ts'
import { findRuntimes } from '../runtimes/find-runtimes.ts'
import { holderVariable } from './user-namespace.ts'

const startMs = 10_000

/**
 * For an account without root, where the engine is wanted: goes on as root of a user namespace, in which it may mount
 * and make containers (user_namespaces(7)). The namespaces are held by a process that does nothing else, so that the
 * agent may end and come back to them. Returns where nothing of that is needed or possible; else it never does, as
 * this process becomes another program.
 */
export async function enterNamespaces(configPath: string, log: Log): Promise<void> {
  if (!isOutside()) return
  const { agent: config = {} } = readNodeConfig(configPath)
  const engines = findBackends(config).filter(({ kind }) => kind === 'engine')
  const hasRuntime = engines.some((one) => one.kind === 'engine' && findRuntimes(one.runtimes).length > 0)
  if (!hasRuntime) return
  const { state, socket } = placesOf(config)
  await requireUnserved(socket)
  mkdirSync(state, { recursive: true, mode: 0o700 })
  const file = join(state, 'namespaces.json')
  let holder = readLiving(file)
  if (!holder || !isNeeded(holder, state, engines)) {
    // Where there are no pods, new ones have what the account was given since.
    if (holder) process.kill(holder.pid, 'SIGKILL')
    findHeld(state, engines).forEach(killLeft)
    const why = whyNot()
    if (why !== undefined) {
      log.warn({ why }, 'the engine runs nothing without root here; modules of Wasm run all the same')
      return
    }
    holder = await startHolder()
    writeWhole(file, JSON.stringify({ ...holder, boot: bootId() }), 0o600)
  }
  const enter = ['--user', '--mount', '--preserve-credentials', '--target', String(holder.pid)]
  const there = ['sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', process.cwd()]
  goOn(['nsenter', ...enter, ...there], nameOf(holder))
}

/** As above for what is over soon, in namespaces that end with it. */
export function enterPassingNamespaces(): void {
  if (isOutside() && whyNot() === undefined) goOn(['unshare', ...optionsWithIds()], 'itself')
}

function isOutside(): boolean {
  return process.platform === 'linux' && process.getuid?.() !== 0 && !process.env[holderVariable]
}

/** Becomes itself again, by way of a program. */
function goOn(by: readonly string[], holder: string): void {
  const itself = [process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  // That this is still an experiment of Node's is nothing that somebody could act on.
  process.removeAllListeners('warning')
  process.execve?.('/usr/bin/env', ['env', ...by, ...itself], { ...process.env, [holderVariable]: holder })
}

/** Numbers and times of processes begin again with the machine. */
function readLiving(file: string): Holder | undefined {
  const holder = readHolder(file)
  if (!holder || !isAlive(holder)) return undefined
  const { boot } = JSON.parse(readFileSync(file, 'utf8')) as { readonly boot?: string }
  return boot === undefined || boot === bootId() ? holder : undefined
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

function nameOf({ pid, startTime }: Holder): string {
  return `${pid} ${startTime}`
}

/** Why no namespaces can be made, with the remedy; undefined when they can. */
function whyNot(): string | undefined {
  const { error, status, stderr } = spawnSync('unshare', [...unshareOptions, 'true'], {
    encoding: 'utf8',
    timeout: startMs,
  })
  if (error) return `unshare cannot be run (${error.message}): install util-linux`
  if (status === 0) return undefined
  return `the kernel makes no user namespace for this account (${stderr.trim()}): see user.max_user_namespaces, kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns`
}

/** Mounts of the machine come through, and none goes back. */
const unshareOptions = ['--user', '--map-root-user', '--mount', '--propagation', 'slave']

/** With the subordinate ids of the account (subuid(5)) where it has any, as images have files of several users. */
function optionsWithIds(): readonly string[] {
  const withIds = [...unshareOptions, '--map-auto']
  return spawnSync('unshare', [...withIds, 'true'], { timeout: startMs }).status === 0
    ? withIds
    : unshareOptions
}

async function startHolder(): Promise<Holder> {
  const child = spawn('unshare', [...optionsWithIds(), 'sh', '-c', 'echo held; exec sleep infinity'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => reject(new Error('nothing holds the namespaces')), startMs)
  child.once('error', reject)
  child.once('exit', (code) => reject(new Error(`what holds the namespaces ended with ${code}`)))
  createInterface({ input: child.stdout }).once('line', resolve)
  await promise.finally(() => clearTimeout(timer))
  child.removeAllListeners('exit')
  child.stdout.destroy()
  child.unref()
  return holderOf(child.pid as number)
}

/** Pods stand on namespaces, also when nothing runs in them. */
function isNeeded(holder: Holder, state: string, engines: readonly { readonly name: string }[]): boolean {
  const pods = engines.flatMap(({ name }) => new Records<PodRecord>(join(state, name, 'pods'), 'pod').list())
  return pods.some((pod) => pod.state === 'ready' && pod.bootId.endsWith(` ${nameOf(holder)}`))
}

/** Containers that still run, as the processes that hold them do. */
function findHeld(state: string, engines: readonly { readonly name: string }[]): ContainerRecord[] {
  return engines
    .flatMap(({ name }) => new Records<ContainerRecord>(join(state, name, 'containers'), 'container').list())
    .filter(({ shim }) => shim !== undefined && isAlive(shim))
}

/** Containers whose namespaces nobody holds any more cannot be reached from new ones, so they end here. */
function killLeft({ pid = 0, pidStartTime, shim }: ContainerRecord): void {
  // While it is held, the number is still its own.
  const first = { pid, startTime: pidStartTime ?? holderOf(pid).startTime }
  for (const one of [first, shim]) {
    try {
      if (one && isAlive(one)) process.kill(one.pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
}
