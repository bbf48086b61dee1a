import { ScanningFailure } from '../failures.ts'
import type { LayerChanges } from '../layers/read-layer.ts'
import { stackLayers } from '../layers/stack-layers.ts'
import type { Inventory } from '../types.ts'
import type { LayerTask } from './scan-task.ts'

/** Packages, and files that could not be read, of one image: each is matched, stored and shown. */
const maximumListed = 200_000

/** Puts layers that were read on top of each other. Throws SCAN_FAILED when one is not what the config says. */
export function assembleInventory(layers: readonly LayerTask[], changes: readonly LayerChanges[]): Inventory {
  const origins = layers.map(({ digest, diffId, instruction }, index) => {
    const actual = changes[index]?.diffId ?? ''
    if (diffId !== undefined && diffId !== actual) {
      throw new ScanningFailure(
        'SCAN_FAILED',
        `layer ${digest} unpacks to ${actual}, but the config says ${diffId}`,
      )
    }
    return { digest, diffId: actual, ...(instruction === undefined ? {} : { instruction }) }
  })
  const inventory = stackLayers(origins, changes)
  const { packages, removed = [], unknowns } = inventory
  if (Math.max(packages.length, removed.length, unknowns.length) > maximumListed) {
    throw new ScanningFailure('SCAN_FAILED', `the image has more than ${maximumListed} packages`)
  }
  return inventory
}
