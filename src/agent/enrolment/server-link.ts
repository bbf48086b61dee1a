import { createHash } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { Agent, request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { CriFailure } from '../cri/failures.ts'

const timeoutMs = 20_000
const maximumAnswerBytes = 16 * 1024 * 1024

/** What is kept of an enrolment, beside its key and certificates. */
export interface Enrolment {
  /** `https://host:port` of the port of the nodes. */
  readonly server: string
  readonly id: string
  readonly name: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

export const enrolmentFiles = {
  enrolment: 'enrolment.json',
  /** Key and certificate in one file, so that a renewal that is cut short leaves no key with another's certificate. */
  identity: 'node.pem',
  authorities: 'authorities.pem',
} as const

/** A server that refuses, with its code. */
export class ServerRefusal extends CriFailure {
  readonly problem: string

  constructor(status: number, problem: string, detail: string) {
    super(status === 401 || status === 403 ? 'UNAUTHENTICATED' : 'FAILED_PRECONDITION', detail)
    this.problem = problem
  }
}

/** Undefined when the node has not enrolled. */
export function readEnrolment(folder: string): Enrolment | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, enrolmentFiles.enrolment), 'utf8')) as Enrolment
  } catch {
    return undefined
  }
}

/** Writes a file so that a reader sees all of it or what was there before. */
export function writeWhole(path: string, text: string, mode: number): void {
  writeFileSync(`${path}.new`, text, { mode, flush: true })
  renameSync(`${path}.new`, path)
}

/** Requests to the server by mutual TLS, with the key and certificate of a folder. */
export class ServerLink {
  readonly #folder: string
  #enrolment: Enrolment
  #agent: Agent

  constructor(folder: string, enrolment: Enrolment) {
    this.#folder = folder
    this.#enrolment = enrolment
    this.#agent = this.#open()
  }

  get enrolment(): Enrolment {
    return this.#enrolment
  }

  /** After a new certificate was written. */
  reload(renewed: Enrolment): void {
    this.#enrolment = renewed
    this.#agent.destroy()
    this.#agent = this.#open()
  }

  close(): void {
    this.#agent.destroy()
  }

  async post<Answer>(path: string, body: unknown): Promise<Answer> {
    return JSON.parse((await this.send('POST', path, body)).toString()) as Answer
  }

  /** Throws UNAVAILABLE when nobody answers, and `ServerRefusal` for a no. */
  send(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Buffer> {
    return sendTo(this.enrolment.server, method, path, body, { agent: this.#agent })
  }

  #open(): Agent {
    const read = (name: string): string => readFileSync(join(this.#folder, name), 'utf8')
    const identity = read(enrolmentFiles.identity)
    return new Agent({
      keepAlive: true,
      maxSockets: 2,
      key: identity,
      cert: identity,
      ca: read(enrolmentFiles.authorities),
    })
  }
}

export function sendTo(
  server: string,
  method: 'GET' | 'POST',
  path: string,
  body: unknown,
  options: { readonly agent?: Agent; readonly ca?: string },
): Promise<Buffer> {
  const text = body === undefined ? undefined : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const asked = httpsRequest(
      new URL(path, server),
      {
        ...options,
        method,
        timeout: timeoutMs,
        headers:
          text === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      },
      (answer) => {
        const parts: Buffer[] = []
        let size = 0
        answer.on('data', (part: Buffer) => {
          size += part.length
          if (size > maximumAnswerBytes) asked.destroy(new Error('the answer is too large'))
          else parts.push(part)
        })
        answer.once('error', reject)
        answer.once('end', () => {
          const bytes = Buffer.concat(parts)
          const status = answer.statusCode ?? 0
          if (status >= 200 && status < 300) resolve(bytes)
          else reject(refusalOf(status, bytes))
        })
      },
    )
    asked.once('timeout', () => asked.destroy(new Error(`nobody answered within ${timeoutMs} ms`)))
    asked.once('error', (error) =>
      reject(
        error instanceof CriFailure
          ? error
          : new CriFailure('UNAVAILABLE', `the server ${server} cannot be reached: ${error.message}`),
      ),
    )
    asked.end(text)
  })
}

function refusalOf(status: number, bytes: Buffer): ServerRefusal {
  try {
    const { code = '', detail } = JSON.parse(bytes.toString()) as { code?: string; detail?: string }
    return new ServerRefusal(status, code, detail ?? `the server answered ${status}`)
  } catch {
    return new ServerRefusal(status, '', `the server answered ${status}`)
  }
}

/**
 * The authority of a server, which is believed because its fingerprint was told on another way. Throws
 * FAILED_PRECONDITION for another one.
 */
export function fetchAuthority(server: string, fingerprint: string): Promise<string> {
  const { hostname, port } = new URL(server)
  return new Promise((resolve, reject) => {
    // Nothing is sent before the authority is known, and then over another connection that is verified by it.
    const socket = connect({
      host: hostname,
      port: Number(port || 443),
      rejectUnauthorized: false,
      timeout: timeoutMs,
    })
    const fail = (why: string): void => {
      socket.destroy()
      reject(new CriFailure('UNAVAILABLE', `the server ${server} cannot be reached: ${why}`))
    }
    socket.once('error', (error) => fail(error.message))
    socket.once('timeout', () => fail(`nobody answered within ${timeoutMs} ms`))
    socket.once('secureConnect', () => {
      const { raw } = socket.getPeerCertificate(true).issuerCertificate ?? {}
      socket.destroy()
      if (raw && createHash('sha256').update(raw).digest('hex') === fingerprint) {
        const base64 = raw.toString('base64').replaceAll(/(.{64})/g, '$1\n')
        return resolve(`-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`)
      }
      return reject(
        new CriFailure(
          'FAILED_PRECONDITION',
          `${server} is not the server that made this token: it has another authority; check the address, and that nobody is in between`,
        ),
      )
    })
  })
}
