import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { test } from 'node:test'
import { startProduct } from '../fixtures/start-product.ts'

const clients = 8
const blobBytes = 1024 ** 3
const limitMb = 200

/** What the C library and the collector hold on to differs from run to run; what grows with blobs grows in each. */
const attempts = 3

test(
  'memory does not grow with what is pushed: 8 clients with 1 GB each stay within 200 MB',
  { timeout: 600_000 },
  async (context) => {
    const peaks: number[] = []
    while (peaks.length < attempts && !peaks.some((peak) => peak < limitMb)) {
      peaks.push(await measurePeakMb())
    }
    context.diagnostic(`peak ${peaks.join(', then ')} MB`)
    assert.ok(
      peaks.some((peak) => peak < limitMb),
      `peaks ${peaks.join(', ')} MB`,
    )
  },
)

async function measurePeakMb(): Promise<number> {
  const product = await startProduct()
  let peakMb = 0
  const sampler = setInterval(() => (peakMb = Math.max(peakMb, residentMb(product.pid))), 50)
  try {
    const piece = randomBytes(1024 ** 2)
    const digests = Array.from({ length: clients }, (_, client) => digestOfPieces(piece, client))
    await Promise.all(
      digests.map((digest, client) => push(product.url, product.basic(), piece, client, digest)),
    )
    return peakMb
  } finally {
    clearInterval(sampler)
    await product.stop()
  }
}

/** Blobs that differ in their first byte only. */
function* pieces(piece: Buffer, client: number): Iterable<Buffer> {
  yield Buffer.concat([Buffer.from([client]), piece.subarray(1)])
  for (let sent = piece.length; sent < blobBytes; sent += piece.length) yield piece
}

function digestOfPieces(piece: Buffer, client: number): string {
  const hash = createHash('sha256')
  for (const part of pieces(piece, client)) hash.update(part)
  return `sha256:${hash.digest('hex')}`
}

async function push(
  url: string,
  authorization: string,
  piece: Buffer,
  client: number,
  digest: string,
): Promise<void> {
  const begun = await fetch(`${url}/v2/memory/test/blobs/uploads/`, {
    method: 'POST',
    headers: { authorization },
  })
  const location = new URL(begun.headers.get('location') ?? '', url)
  location.searchParams.set('digest', digest)
  await new Promise<void>((resolve, reject) => {
    const upload = request(location, {
      method: 'PUT',
      headers: {
        authorization,
        'content-length': String(blobBytes),
        'content-type': 'application/octet-stream',
      },
    })
    upload.on('error', reject)
    upload.on('response', (answer) => {
      answer.resume()
      answer.on('end', () =>
        answer.statusCode === 201 ? resolve() : reject(new Error(`${answer.statusCode}`)),
      )
    })
    void (async () => {
      for (const part of pieces(piece, client)) {
        if (!upload.write(part)) await new Promise((drained) => upload.once('drain', drained))
      }
      upload.end()
    })()
  })
}

function residentMb(pid: number): number {
  const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Math.round(Number(match?.[1] ?? 0) / 1024)
}
