import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CriFailure } from '../cri/failures.ts'

const run = promisify(execFile)

const kinds = ['net', 'ipc', 'uts'] as const
export type NamespaceKind = (typeof kinds)[number]

/**
 * Namespaces of pods, each kept by a mount of its file, so that no process has to hold them: there is no pause
 * container (namespaces(7), "The /proc/pid/ns/ directory").
 */
export class PodNamespaces {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o711 })
  }

  path(podId: string, kind: NamespaceKind): string {
    return join(this.#folder, podId, kind)
  }

  /** Makes them, with the loopback device up. */
  async make(podId: string, wanted: readonly NamespaceKind[]): Promise<void> {
    const folder = join(this.#folder, podId)
    mkdirSync(folder, { recursive: true, mode: 0o711 })
    if (wanted.length === 0) return
    for (const kind of wanted) writeFileSync(join(folder, kind), '')
    const flags = wanted.map((kind) => `--${kind}=${join(folder, kind)}`)
    const inside = wanted.includes('net') ? ['ip', 'link', 'set', 'lo', 'up'] : ['true']
    try {
      await run('unshare', [...flags, ...inside])
    } catch (error) {
      await this.remove(podId)
      throw new CriFailure(
        'FAILED_PRECONDITION',
        `the namespaces of a pod cannot be made: ${(error as Error).message.trim()}; unshare (util-linux) and ip (iproute2) are needed`,
      )
    }
  }

  async remove(podId: string): Promise<void> {
    const folder = join(this.#folder, podId)
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .flatMap((line) => line.split(' ', 5)[4] ?? [])
    for (const mount of mounts.filter((one) => one.startsWith(`${folder}/`))) {
      await run('umount', ['--lazy', mount]).catch(() => {})
    }
    rmSync(folder, { recursive: true, force: true })
  }
}
