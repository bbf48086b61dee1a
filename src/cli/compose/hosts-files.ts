import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { CriClient } from '../../agent/serve.ts'
import type { RunOptions } from '../containers/run-options.ts'
import type { Project } from './read-project.ts'

export function hostsFolder(socket: string, project: string): string {
  return join(dirname(socket), 'compose', project)
}

/**
 * Services in the network of the machine find each other on it, those in pods by the addresses of these. One file is
 * for all of a kind, so none of them may write it: it would redirect the others.
 */
export function withHosts(options: RunOptions, socket: string, project: string): RunOptions {
  const { volume = [], wasm = false, network } = options
  const isOwn = volume.some((one) => one.split(':')[1] === '/etc/hosts')
  if (network === 'none' || isOwn || wasm) return options
  const file = join(hostsFolder(socket, project), `hosts-${network}`)
  return { ...options, volume: [...volume, `${file}:/etc/hosts:ro`] }
}

/** Written into the files that are there already: what runs has them mounted. */
export async function writeHosts(
  client: CriClient,
  socket: string,
  project: Project,
  pods: ReadonlyMap<string, string>,
): Promise<void> {
  const folder = hostsFolder(socket, project.name)
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const lines: Record<'pod' | 'host', string[]> = { pod: [], host: [] }
  for (const { name, options } of project.services) {
    if (options.network === 'host') lines.host.push(`127.0.0.1 ${name}`)
    if (options.network !== 'pod') continue
    const podSandboxId = pods.get(name) ?? ''
    const { status, info } = await client.call('PodSandboxStatus', { podSandboxId, verbose: true })
    const address = status?.network?.ip ?? ''
    // Without root every pod has the same one, and a name would lead whoever asks to itself.
    if (address === '' || isUserNetwork(info)) continue
    lines.pod.push(`${address} ${name}`)
    lines.host.push(`${address} ${name}`)
  }
  for (const kind of ['pod', 'host'] as const) {
    const text = ['127.0.0.1 localhost', '::1 localhost', ...lines[kind], ''].join('\n')
    writeFileSync(join(folder, `hosts-${kind}`), text, { mode: 0o644 })
  }
}

function isUserNetwork(info: Readonly<Record<string, string>>): boolean {
  try {
    return (JSON.parse(info['info'] ?? '{}') as { network?: unknown }).network === 'user'
  } catch {
    // Other runtimes say there what they like.
    return false
  }
}
