import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

/** A running registry that a benchmark talks to. */
export interface Target {
  readonly name: 'pratique' | 'docker-registry'
  readonly url: string
  readonly folder: string
  /** `authorization` header of every request; empty where the registry asks for none. */
  readonly authorization: string
  stop(): Promise<void>
}

const password = 'benchmark-password'

/** Starts our server as its users do, on a fresh data folder. */
export async function startPratique(folder: string): Promise<Target> {
  const port = await freePort()
  const child = spawn(join(import.meta.dirname, '../bin/pratique'), ['serve'], {
    env: {
      ...process.env,
      PRATIQUE_DATA_DIR: folder,
      PRATIQUE_LISTEN: `127.0.0.1:${port}`,
      PRATIQUE_ADMIN_PASSWORD: password,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const url = `http://127.0.0.1:${port}`
  await untilAnswers(`${url}/v2/`)
  const basic = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`
  const scope = ['bench/one', 'bench/two', 'bench/tags'].map(
    (name) => `scope=repository:${name}:pull,push,delete`,
  )
  const answer = await fetch(
    `${url}/token?service=${encodeURIComponent(await serviceOf(url))}&${scope.join('&')}`,
    {
      headers: { authorization: basic },
    },
  )
  const { token } = (await answer.json()) as { token: string }
  return { name: 'pratique', url, folder, authorization: `Bearer ${token}`, stop: () => stop(child) }
}

/** Starts Debian's docker-registry with the settings its own package ships, on a fresh data folder. */
export async function startDockerRegistry(folder: string): Promise<Target> {
  const port = await freePort()
  mkdirSync(folder, { recursive: true })
  const config = join(folder, 'config.yml')
  writeFileSync(
    config,
    [
      'version: 0.1',
      'log: { level: error }',
      'storage:',
      '  cache: { blobdescriptor: inmemory }',
      `  filesystem: { rootdirectory: ${join(folder, 'data')} }`,
      '  delete: { enabled: true }',
      'http:',
      `  addr: 127.0.0.1:${port}`,
    ].join('\n'),
  )
  const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' })
  const url = `http://127.0.0.1:${port}`
  await untilAnswers(`${url}/v2/`)
  return { name: 'docker-registry', url, folder, authorization: '', stop: () => stop(child) }
}

async function serviceOf(url: string): Promise<string> {
  const challenge = (await fetch(`${url}/v2/`)).headers.get('www-authenticate') ?? ''
  return /service="([^"]*)"/.exec(challenge)?.[1] ?? ''
}

async function untilAnswers(url: string): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
    const answer = await fetch(url).catch(() => undefined)
    if (answer) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`nothing answered at ${url}`)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await ended
}
