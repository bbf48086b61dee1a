import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'

/** Exit codes, the same for every command. */
export const exitCodes = { pass: 0, policySaysNo: 1, error: 2, undetermined: 3 } as const

/** An answer that is not what was hoped for. */
export class CommandError extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode: number = exitCodes.error) {
    super(message)
    this.exitCode = exitCode
  }
}

/** A problem of the API (RFC 9457). */
export interface Problem {
  readonly status: number
  readonly code?: string
  readonly detail?: string
  readonly context?: unknown
}

/** The server's refusal, with all that it said. */
export class ProblemError extends CommandError {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.detail ?? `the server answered ${problem.status}`)
    this.problem = problem
  }
}

interface Credentials {
  readonly server: string
  readonly username: string
  readonly token: string
}

/** Where the sign-in is kept, readable by its owner only. */
export function credentialsPath(): string {
  const folder = process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config')
  return join(folder, 'pratique', 'credentials.json')
}

export function readCredentials(): Credentials | undefined {
  const path = credentialsPath()
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Credentials) : undefined
}

export function writeCredentials(credentials: Credentials): void {
  const path = credentialsPath()
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileSync(path, JSON.stringify(credentials, null, 2), { mode: 0o600 })
  chmodSync(path, 0o600)
}

export function removeCredentials(): void {
  rmSync(credentialsPath(), { force: true })
}

/** Talks to a server's HTTP API. */
export class Client {
  readonly server: string
  readonly #authorization: string | undefined

  constructor(options: { readonly server?: string; readonly authorization?: string } = {}) {
    const stored = readCredentials()
    this.server = (
      options.server ??
      process.env['PRATIQUE_SERVER'] ??
      stored?.server ??
      'http://127.0.0.1:5480'
    ).replace(/\/$/, '')
    this.#authorization = options.authorization ?? authorizationFor(this.server, stored)
  }

  async get<Answer>(path: string, query: Readonly<Record<string, string | undefined>> = {}): Promise<Answer> {
    return this.send<Answer>('GET', withQuery(path, query))
  }

  async send<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await this.#fetch(
      method,
      path,
      body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } },
    )
    const text = await answer.text()
    return (text === '' ? undefined : JSON.parse(text)) as Answer
  }

  /** Sends a body of any size as it is read. */
  async upload<Answer>(
    method: string,
    path: string,
    body: Readable | Buffer,
    headers: Readonly<Record<string, string>>,
  ): Promise<Answer> {
    const answer = await this.#fetch(method, path, { body, headers, duplex: 'half' })
    const text = await answer.text()
    return (text === '' ? undefined : JSON.parse(text)) as Answer
  }

  /** The answer's headers and bytes, for what is no JSON. */
  async raw(method: string, path: string): Promise<Response> {
    return this.#fetch(method, path, {})
  }

  async #fetch(method: string, path: string, options: Record<string, unknown>): Promise<Response> {
    const headers = {
      ...(this.#authorization ? { authorization: this.#authorization } : {}),
      ...(options['headers'] as Record<string, string> | undefined),
    }
    let answer: Response
    try {
      answer = await fetch(new URL(path, this.server), { method, ...options, headers })
    } catch (error) {
      const why =
        (error as Error).cause instanceof Error ? ((error as Error).cause as Error).message : String(error)
      throw new CommandError(`no server answers at ${this.server} (${why}); start one with: pratique serve`)
    }
    if (!answer.ok) throw await readProblem(answer)
    return answer
  }
}

async function readProblem(answer: Response): Promise<ProblemError> {
  const text = await answer.text()
  try {
    const body = JSON.parse(text) as Problem & { errors?: { code: string; message: string }[] }
    const [first] = body.errors ?? []
    if (first) return new ProblemError({ status: answer.status, code: first.code, detail: first.message })
    return new ProblemError({ ...body, status: answer.status })
  } catch {
    return new ProblemError({ status: answer.status })
  }
}

function authorizationFor(server: string, stored: Credentials | undefined): string | undefined {
  const { PRATIQUE_TOKEN: token, PRATIQUE_USERNAME: name, PRATIQUE_PASSWORD: password } = process.env
  if (token) return `Bearer ${token}`
  if (name !== undefined && password !== undefined) return basic(name, password)
  return stored?.server === server ? `Bearer ${stored.token}` : undefined
}

export function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
}

export function withQuery(path: string, query: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given).toString()}`
}
