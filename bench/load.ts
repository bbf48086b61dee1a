import { createHash, randomBytes } from 'node:crypto'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'

/*
 * The load generator: a process of its own, so that it takes no time from the server it measures. It reads
 * one job a message and answers with how long the measured part took.
 */

export interface Job {
  readonly url: string
  readonly authorization: string
  readonly repository: string
  readonly kind: 'push' | 'pull' | 'request'
  readonly clients: number
  readonly count: number
  readonly sizeBytes?: number
  /** push: the same content each time (known to the registry before the clock starts). */
  readonly repeated?: boolean
  /** request: method and path below the registry's URL. */
  readonly method?: string
  readonly path?: string
  readonly accept?: string
}

export interface Result {
  readonly elapsedMs: number
}

interface Blob {
  readonly body: Buffer
  readonly tail: Buffer
  readonly digest: string
}

process.on('message', (job: Job) => {
  void runJob(job).then(
    (result) => process.send?.(result),
    (error: unknown) => process.send?.({ error: String(error) }),
  )
})

async function runJob(job: Job): Promise<Result> {
  const agent = new Agent({ keepAlive: true, maxSockets: job.clients })
  const steps = await prepare(job, agent)
  // One unmeasured request a client, so that no connection is opened on the clock.
  await Promise.all(Array.from({ length: job.clients }, () => send(job, agent, 'GET', '/v2/')))
  const begun = performance.now()
  await shareOut(steps, job.clients)
  const elapsedMs = performance.now() - begun
  agent.destroy()
  return { elapsedMs }
}

async function shareOut(steps: readonly (() => Promise<void>)[], clients: number): Promise<void> {
  const left = steps.values()
  await Promise.all(
    Array.from({ length: clients }, async () => {
      for (const step of left) await step()
    }),
  )
}

async function prepare(job: Job, agent: Agent): Promise<(() => Promise<void>)[]> {
  if (job.kind === 'request') {
    return Array.from({ length: job.count }, () => async () => {
      const { status } = await send(job, agent, job.method ?? 'GET', job.path ?? '/v2/', {
        accept: job.accept ?? '*/*',
      })
      if (status >= 400) throw new Error(`${job.method} ${job.path}: ${status}`)
    })
  }
  const distinct = job.repeated || job.kind === 'pull' ? 1 : job.count
  const blobs = makeBlobs(job.sizeBytes ?? 0, distinct)
  if (distinct === 1) await push(job, agent, blobs[0] as Blob)
  return Array.from({ length: job.count }, (_, index) => {
    const blob = blobs[index % distinct] as Blob
    return job.kind === 'push' ? () => push(job, agent, blob) : () => pull(job, agent, blob)
  })
}

/** Blobs that share a random body and differ in their last bytes, so that hashing them all stays cheap. */
function makeBlobs(sizeBytes: number, count: number): Blob[] {
  const tailBytes = 32
  const body = randomBytes(sizeBytes - tailBytes)
  const begun = createHash('sha256').update(body)
  return Array.from({ length: count }, () => {
    const tail = randomBytes(tailBytes)
    return { body, tail, digest: `sha256:${begun.copy().update(tail).digest('hex')}` }
  })
}

/** As docker pushes: POST for a session, PATCH with the content, PUT with the digest. */
async function push(job: Job, agent: Agent, blob: Blob): Promise<void> {
  const begun = await send(job, agent, 'POST', `/v2/${job.repository}/blobs/uploads/`, {
    'content-length': '0',
  })
  const length = String(blob.body.length + blob.tail.length)
  const patched = await send(
    job,
    agent,
    'PATCH',
    begun.location,
    { 'content-length': length, 'content-type': 'application/octet-stream' },
    [blob.body, blob.tail],
  )
  const end = new URL(patched.location, job.url)
  end.searchParams.set('digest', blob.digest)
  const { status } = await send(job, agent, 'PUT', end.href, { 'content-length': '0' })
  if (status !== 201) throw new Error(`push: ${status}`)
}

async function pull(job: Job, agent: Agent, blob: Blob): Promise<void> {
  const { status, bytes } = await send(job, agent, 'GET', `/v2/${job.repository}/blobs/${blob.digest}`)
  if (status !== 200 || bytes !== blob.body.length + blob.tail.length)
    throw new Error(`pull: ${status}, ${bytes} bytes`)
}

interface Answer {
  readonly status: number
  readonly location: string
  readonly bytes: number
}

function send(
  job: Job,
  agent: Agent,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body: readonly Buffer[] = [],
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(new URL(path, job.url), {
      method,
      agent,
      headers: { ...headers, ...(job.authorization ? { authorization: job.authorization } : {}) },
    })
    request.on('error', reject)
    request.on('response', (response: IncomingMessage) => {
      let bytes = 0
      response.on('data', (chunk: Buffer) => (bytes += chunk.length))
      response.on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, location: response.headers.location ?? '', bytes }),
      )
    })
    for (const part of body) request.write(part)
    request.end()
  })
}
