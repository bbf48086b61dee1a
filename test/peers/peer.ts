import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Where `scripts/setup-peers` unpacks programs from later Debian suites. */
const unpacked = join(import.meta.dirname, '../../.peers')

/**
 * Finds real programs that a test talks to. Gives `skip`, to hand to `node:test`: false when all are here,
 * else a loud reason. Where peers are required (CI), a missing one is an error instead.
 */
export function findPeers<Name extends string>(
  ...names: readonly Name[]
): { readonly skip: string | false; readonly paths: Readonly<Record<Name, string>> } {
  const paths: Partial<Record<Name, string>> = {}
  for (const name of names) {
    const path = findProgram(name)
    if (path) paths[name] = path
  }
  const missing = names.filter((name) => !(name in paths))
  if (missing.length > 0 && process.env['PRATIQUE_PEERS'] === 'required') {
    throw new Error(`peers missing: ${missing.join(', ')}; scripts/setup-peers installs them`)
  }
  const skip =
    missing.length > 0 && `PEER MISSING: ${missing.join(', ')} (sudo scripts/setup-peers installs them)`
  return { skip, paths: paths as Record<Name, string> }
}

/** True for tests that need root, and a loud reason to skip otherwise. */
export function rootSkip(): string | false {
  return process.getuid?.() === 0 ? false : 'NEEDS ROOT'
}

function findProgram(name: string): string | undefined {
  const ours = join(unpacked, name, 'usr/bin', name)
  if (existsSync(ours)) return ours
  try {
    return execFileSync('sh', ['-c', 'command -v "$0"', name], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
}
