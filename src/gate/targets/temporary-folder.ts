import { rmSync } from 'node:fs'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** No scan takes that long: what is older was left behind by a process that was killed. */
const forgottenMs = 24 * 3_600_000
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** A folder for what is put aside to read a target. It is removed when that is closed, or this process stopped. */
export async function makeTemporaryFolder(prefix: string): Promise<{
  readonly folder: string
  readonly close: () => Promise<void>
}> {
  await removeForgotten(prefix)
  const folder = await mkdtemp(join(tmpdir(), prefix))
  const stop = (signal: NodeJS.Signals): void => {
    rmSync(folder, { recursive: true, force: true })
    for (const one of signals) process.removeListener(one, stop)
    process.kill(process.pid, signal)
  }
  for (const signal of signals) process.once(signal, stop)
  return {
    folder,
    async close() {
      for (const signal of signals) process.removeListener(signal, stop)
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function removeForgotten(prefix: string): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(prefix)) continue
    const path = join(tmpdir(), name)
    const { mtimeMs } = (await stat(path).catch(() => undefined)) ?? { mtimeMs: Infinity }
    // What belongs to somebody else stays.
    if (mtimeMs < Date.now() - forgottenMs) await rm(path, { recursive: true, force: true }).catch(() => {})
  }
}
