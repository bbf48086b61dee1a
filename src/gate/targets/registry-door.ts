import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { GateFailure } from '../failures.ts'

const timeoutMs = 600_000
const loopback = /^(localhost|127\.\d+\.\d+\.\d+)(:\d+)?$/

/** One repository of a registry, for reading: the protocol's challenge, token and redirects. */
export class RegistryDoor {
  readonly #base: string
  readonly #host: string
  readonly #basic: string | undefined
  #authorization: string | undefined

  private constructor(host: string, name: string, basic: string | undefined) {
    this.#host = host
    // As docker does: plain HTTP for this machine only.
    this.#base = `${loopback.test(host) ? 'http' : 'https'}://${host}/v2/${name}/`
    this.#basic = basic
  }

  /** Opens a repository with the sign-in that docker, podman or the environment keeps for its host. */
  static async open(host: string, name: string): Promise<RegistryDoor> {
    return new RegistryDoor(host, name, (await findCredentials(host)) ?? undefined)
  }

  /** What is at a path of the repository; undefined when it is not there. */
  async find(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response | undefined> {
    const answer = await this.#ask(path, headers)
    if (answer.status === 404) return undefined
    if (answer.ok) return answer
    const text = (await answer.text()).slice(0, 300)
    throw new GateFailure(
      'TARGET_UNREACHABLE',
      `${this.#host} answered ${answer.status} for ${path}: ${text}`,
    )
  }

  /** What is at a path of the repository. Throws TARGET_UNREACHABLE when it is not there. */
  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    const answer = await this.find(path, headers)
    if (answer) return answer
    throw new GateFailure('TARGET_UNREACHABLE', `${this.#host} has no ${path}`)
  }

  async #ask(path: string, headers: Readonly<Record<string, string>>): Promise<Response> {
    const answer = await this.#fetch(new URL(path, this.#base), headers)
    if (answer.status !== 401) return answer
    // Tokens end, and an old one is nobody else's business.
    this.#authorization = undefined
    this.#authorization = await this.#signIn(answer.headers.get('www-authenticate') ?? '')
    return this.#fetch(new URL(path, this.#base), headers)
  }

  /** Docker's token authentication, or Basic where the registry asks for that. */
  async #signIn(challenge: string): Promise<string> {
    if (/^basic/i.test(challenge) && this.#basic) return `Basic ${this.#basic}`
    const fields = new Map(
      Array.from(challenge.matchAll(/([a-z]+)="([^"]*)"/g), (match) => [match[1], match[2] ?? '']),
    )
    const realm = fields.get('realm')
    if (realm === undefined) return this.#basic ? `Basic ${this.#basic}` : ''
    if (!URL.canParse(realm)) {
      throw new GateFailure('TARGET_UNREACHABLE', `${this.#host} asks for a sign-in at no address: ${realm}`)
    }
    const url = new URL(realm)
    for (const name of ['service', 'scope']) {
      const value = fields.get(name)
      if (value !== undefined) url.searchParams.set(name, value)
    }
    // A password goes to the registry's own hosts only, and never unencrypted over a network.
    const { hostname } = new URL(this.#base)
    const isOwn = url.hostname === hostname || isSibling(url.hostname, hostname)
    const isSafe = url.protocol === 'https:' || loopback.test(url.host)
    const answer = await this.#fetch(url, {}, isOwn && isSafe ? this.#basic : undefined)
    const { token, access_token: accessToken } = (await answer.json().catch(() => ({}))) as {
      token?: string
      access_token?: string
    }
    if (!answer.ok || (token ?? accessToken) === undefined) {
      throw new GateFailure(
        'TARGET_UNREACHABLE',
        `${url.host} gave no token (${answer.status}); sign in first`,
      )
    }
    return `Bearer ${token ?? accessToken}`
  }

  async #fetch(url: URL, headers: Readonly<Record<string, string>>, basic?: string): Promise<Response> {
    const authorization = basic === undefined ? this.#authorization : `Basic ${basic}`
    try {
      // fetch itself drops the authorization when a redirect leads to another host.
      return await fetch(url, {
        headers: { ...headers, ...(authorization ? { authorization } : {}) },
        signal: AbortSignal.timeout(timeoutMs),
      })
    } catch (error) {
      const { cause } = error as { cause?: Error }
      throw new GateFailure(
        'TARGET_UNREACHABLE',
        `${url.host} cannot be reached: ${cause?.message ?? String(error)}`,
      )
    }
  }
}

/**
 * `auth.example.com` for `registry.example.com`: the same registered name, as near as the names can tell. Under
 * `co.uk` and the like everybody has names, and an address has none.
 */
export function isSibling(host: string, registryHost: string): boolean {
  if (isIP(host) !== 0 || !host.includes('.')) return false
  const parent = (name: string): string => {
    const parts = name.split('.')
    const isShared = /^(ac|co|com|edu|gov|net|or|org)\.[a-z]{2}$/.test(parts.slice(-2).join('.'))
    return parts.slice(isShared ? -3 : -2).join('.')
  }
  return parent(host) === parent(registryHost)
}

interface AuthFile {
  readonly auths?: Readonly<Record<string, { readonly auth?: string }>>
}

async function findCredentials(host: string): Promise<string | undefined> {
  const runtime = process.env['XDG_RUNTIME_DIR']
  const files = [
    process.env['REGISTRY_AUTH_FILE'],
    join(process.env['DOCKER_CONFIG'] ?? join(homedir(), '.docker'), 'config.json'),
    runtime === undefined ? undefined : join(runtime, 'containers/auth.json'),
  ]
  for (const file of files) {
    const text = file === undefined ? undefined : await readFile(file, 'utf8').catch(() => undefined)
    if (text === undefined) continue
    try {
      const auth = (JSON.parse(text) as AuthFile).auths?.[host]?.auth
      if (auth !== undefined && auth !== '') return auth
    } catch {
      throw new GateFailure('TARGET_INVALID', `${file} is not JSON`)
    }
  }
  return undefined
}
