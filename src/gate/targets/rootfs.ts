import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { runScan, scanLimits } from '../../scanning/offline.ts'
import { invalid } from './layout-images.ts'
import type { TargetKind } from './types.ts'

/** A folder that holds the root of a file system, as debootstrap or a mounted image has it. */
export const rootfs: TargetKind = {
  name: 'rootfs',
  help: 'folder that holds the root of a file system',
  async fits(path) {
    return (await stat(path).catch(() => undefined))?.isDirectory() === true
  },
  async open(location, options) {
    const folder = resolve(location)
    if (!(await this.fits(folder))) throw invalid(`${location} is no folder`)
    const layers = [{ digest: '', mediaType: '', bytes: { folder } }]
    return {
      kind: this.name,
      name: location,
      images: [{ readInventory: () => runScan({ layers }, { ...scanLimits, timeoutMs: options.timeoutMs }) }],
      close: async () => {},
    }
  },
}
