import { randomBytes } from 'node:crypto'
import type { AttachRequest, ExecRequest, PortForwardRequest } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'

export type StreamingRequest =
  | { readonly kind: 'exec'; readonly request: ExecRequest }
  | { readonly kind: 'attach'; readonly request: AttachRequest }
  | { readonly kind: 'portforward'; readonly request: PortForwardRequest }

const maximumWaiting = 1_000

/** Requests that wait for their client, each under a token that is good once and not for long. */
export class OneTimeRequests {
  readonly #lifetimeMs: number
  readonly #waiting = new Map<string, { readonly request: StreamingRequest; readonly until: number }>()

  constructor(lifetimeMs: number) {
    this.#lifetimeMs = lifetimeMs
  }

  add(request: StreamingRequest): string {
    const now = performance.now()
    for (const [token, { until }] of this.#waiting) if (until <= now) this.#waiting.delete(token)
    if (this.#waiting.size >= maximumWaiting) {
      throw new CriFailure(
        'RESOURCE_EXHAUSTED',
        'too many streams were asked for that nobody fetched; try again in a minute',
      )
    }
    const token = randomBytes(24).toString('base64url')
    this.#waiting.set(token, { request, until: now + this.#lifetimeMs })
    return token
  }

  take(token: string): StreamingRequest | undefined {
    const found = this.#waiting.get(token)
    this.#waiting.delete(token)
    return found && found.until > performance.now() ? found.request : undefined
  }
}
