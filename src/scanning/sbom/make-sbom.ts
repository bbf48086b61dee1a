import type { Inventory } from '../types.ts'
import { cycloneDx } from './cyclonedx/write-cyclonedx.ts'

/**
 * The inventory of a stored image as a CycloneDX 1.6 document. The same image always gives the same bytes: its
 * serial number comes from the digest, and there is no time in it.
 */
export async function makeSbom(digest: string, inventory: Inventory): Promise<Buffer> {
  return cycloneDx.write({ name: digest, digest }, inventory)
}
