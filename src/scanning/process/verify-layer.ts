import { createHash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { algorithmOf, finishDigest, isDigest } from '../../kernel/digest.ts'
import { ScanningFailure } from '../failures.ts'
import { openLayer } from './open-layer.ts'
import type { LayerTask } from './scan-task.ts'

/**
 * Makes sure that a layer's bytes have its digest, where nobody did so before. Throws SCAN_FAILED when they
 * do not. What is named by no digest has nothing to be held to.
 */
export async function verifyLayer({ digest, bytes, isVerified }: LayerTask): Promise<void> {
  if (isVerified || 'folder' in bytes || !isDigest(digest)) return
  const algorithm = algorithmOf(digest)
  const hash = createHash(algorithm)
  await pipeline(openLayer(bytes), hash)
  const actual = finishDigest(algorithm, hash)
  if (actual !== digest) {
    throw new ScanningFailure('SCAN_FAILED', `the content of layer ${digest} has digest ${actual}`)
  }
}
