import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { RemoteFailure } from './failures.ts'
import { readAnswer } from './read-answer.ts'

const defaultTimeoutMs = 600_000
/** Of what is no content: refusals and tokens. */
const maximumTextBytes = 256 * 1024
const maximumRefusal = 2_000
/** Docker Hub's images go by one name, are served by another, and its sign-in is kept under a third. */
const hub = {
  names: ['docker.io', 'index.docker.io'],
  host: 'registry-1.docker.io',
  key: 'https://index.docker.io/v1/',
}
const loopback = /^(localhost|127\.\d+\.\d+\.\d+)(:\d+)?$/

/** How a registry is reached, where that is not what docker would do. */
export interface DoorOptions {
  /** URL of the registry; HTTPS, or plain HTTP on this machine, when not given. */
  readonly server?: string
  /** The sign-in; that of docker, podman or the environment when not given. */
  readonly credentials?: { readonly username: string; readonly password: string }
  /** Ends every request. */
  readonly signal?: AbortSignal
  /** How long one request may take with all of its answer; ten minutes, for layers, when not given. */
  readonly timeoutMs?: number
}

export interface DoorRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

/** One repository of a registry: the protocol's challenge, token and redirects. */
export class RegistryDoor {
  readonly #base: string
  readonly #host: string
  readonly #basic: string | undefined
  readonly #signal: AbortSignal | undefined
  readonly #timeoutMs: number
  #authorization: string | undefined

  private constructor(host: string, name: string, basic: string | undefined, options: DoorOptions) {
    this.#host = host
    const serving = hub.names.includes(host) ? hub.host : host
    // As docker does: plain HTTP for this machine only.
    const server = options.server ?? `${loopback.test(serving) ? 'http' : 'https'}://${serving}`
    this.#base = `${server.replace(/\/$/, '')}/v2/${name}/`
    this.#basic = basic
    this.#signal = options.signal
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs
  }

  /** Opens a repository with the sign-in that docker, podman or the environment keeps for its host. */
  static async open(host: string, name: string, options: DoorOptions = {}): Promise<RegistryDoor> {
    const { credentials } = options
    const basic = credentials
      ? Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')
      : await findCredentials(host)
    return new RegistryDoor(host, name, basic, options)
  }

  /** What is at a path of the repository; undefined when it is not there. */
  async find(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response | undefined> {
    const answer = await this.send(path, { headers })
    if (answer.status === 404) return undefined
    if (answer.ok) return answer
    throw await this.refusal(path, answer)
  }

  /** Asks for a path of the repository, or for an absolute URL of the registry, signing in when it says so. */
  async send(path: string, request: DoorRequest = {}): Promise<Response> {
    return this.#ask(path, request)
  }

  /** What an answer that is not good says, as a failure. */
  async refusal(path: string, answer: Response): Promise<RemoteFailure> {
    const body = await readAnswer(answer, maximumTextBytes, 'the refusal').catch(() => Buffer.of())
    const message = `${this.#host} answered ${answer.status} for ${path}: ${readRefusal(body.toString())}`
    return new RemoteFailure('TARGET_UNREACHABLE', message, answer.status)
  }

  /** What is at a path of the repository. Throws TARGET_UNREACHABLE when it is not there. */
  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    const answer = await this.find(path, headers)
    if (answer) return answer
    throw new RemoteFailure('TARGET_UNREACHABLE', `${this.#host} has no ${path}`)
  }

  async #ask(path: string, request: DoorRequest): Promise<Response> {
    const answer = await this.#fetch(new URL(path, this.#base), request)
    if (answer.status !== 401) return answer
    // Tokens end, and an old one is nobody else's business.
    this.#authorization = undefined
    this.#authorization = await this.#signIn(answer.headers.get('www-authenticate') ?? '')
    return this.#fetch(new URL(path, this.#base), request)
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
      throw new RemoteFailure(
        'TARGET_UNREACHABLE',
        `${this.#host} asks for a sign-in at no address: ${realm}`,
      )
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
    const token = answer.ok ? await readToken(answer) : undefined
    if (token !== undefined) return `Bearer ${token}`
    throw new RemoteFailure(
      'TARGET_UNREACHABLE',
      `${url.host} gave no token (${answer.status}); sign in first`,
    )
  }

  async #fetch(url: URL, { method = 'GET', headers, body }: DoorRequest, basic?: string): Promise<Response> {
    // Where an upload goes, or the next page is, the registry says: a token is for nobody else.
    const isOwn = url.host === new URL(this.#base).host
    const token = isOwn ? this.#authorization : undefined
    const authorization = basic === undefined ? token : `Basic ${basic}`
    try {
      // fetch itself drops the authorization when a redirect leads to another host.
      return await fetch(url, {
        method,
        headers: { ...headers, ...(authorization ? { authorization } : {}) },
        signal: AbortSignal.any([
          AbortSignal.timeout(this.#timeoutMs),
          ...(this.#signal ? [this.#signal] : []),
        ]),
        ...(body ? { body: body as Uint8Array<ArrayBuffer> } : {}),
      })
    } catch (error) {
      const { cause } = error as { cause?: Error }
      throw new RemoteFailure(
        'TARGET_UNREACHABLE',
        `${url.host} cannot be reached: ${cause?.message ?? String(error)}`,
      )
    }
  }
}

/** What the registry says in the form of the protocol (distribution-spec, "Error Codes"), or the beginning of it all. */
function readRefusal(text: string): string {
  try {
    const { errors } = JSON.parse(text) as { errors?: readonly { readonly message?: unknown }[] }
    const [first] = errors ?? []
    if (typeof first?.message === 'string') return first.message.slice(0, maximumRefusal)
  } catch {
    // Then it says it in its own way.
  }
  return text.slice(0, 300)
}

/** Docker's and OAuth's names for it; undefined when there is none that can stand in a header. */
async function readToken(answer: Response): Promise<string | undefined> {
  const text = (await readAnswer(answer, maximumTextBytes, 'the token')).toString()
  try {
    const { token, access_token: other } = JSON.parse(text) as { token?: unknown; access_token?: unknown }
    const found = token ?? other
    return typeof found === 'string' && /^[\x21-\x7e]+$/.test(found) ? found : undefined
  } catch {
    return undefined
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
      const { auths = {} } = JSON.parse(text) as AuthFile
      const keys = hub.names.includes(host) ? [hub.key, ...hub.names] : [host, `https://${host}`]
      const auth = keys.map((key) => auths[key]?.auth).find((one) => one !== undefined && one !== '')
      if (auth !== undefined) return auth
    } catch {
      throw new RemoteFailure('TARGET_INVALID', `${file} is not JSON`)
    }
  }
  return undefined
}
