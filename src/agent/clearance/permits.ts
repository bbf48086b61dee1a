import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { isDigest, type Digest } from '../../kernel/digest.ts'
import { CriFailure } from '../cri/failures.ts'
import type { Permit } from './types.ts'

const Document = Type.Object(
  {
    digest: Type.String(),
    reason: Type.String({ minLength: 10, maxLength: 1_000 }),
    by: Type.String({ minLength: 1, maxLength: 255 }),
    from: Type.Integer({ minimum: 0 }),
    until: Type.Integer({ minimum: 0 }),
  },
  { additionalProperties: false },
)

/** Writes a permit where the agent of this node finds it. Throws INVALID_ARGUMENT. */
export function writePermit(folder: string, permit: Permit): void {
  if (!Value.Check(Document, permit) || !isDigest(permit.digest)) {
    throw new CriFailure(
      'INVALID_ARGUMENT',
      'breaking the glass takes a digest, and a reason of ten characters or more',
    )
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const path = fileOf(folder, permit.digest)
  writeFileSync(`${path}.new`, JSON.stringify(permit), { mode: 0o600, flush: true })
  renameSync(`${path}.new`, path)
}

/** The permit for an image that holds now. One that cannot be read, or is over, is none. */
export function findPermit(folder: string, digest: Digest, now: number): Permit | undefined {
  const path = fileOf(folder, digest)
  let document: unknown
  try {
    document = JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
  if (!Value.Check(Document, document) || document.digest !== digest) return undefined
  if (document.until <= now) {
    rmSync(path, { force: true })
    return undefined
  }
  return document.from <= now ? (document as Permit) : undefined
}

function fileOf(folder: string, digest: Digest): string {
  return join(folder, `${digest.replace(':', '-')}.json`)
}
