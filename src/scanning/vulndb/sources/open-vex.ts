import { asObject, asText } from './read-json.ts'
import type { SourceAdapter } from './types.ts'

/**
 * OpenVEX documents among advisories: what somebody states of products, which counts only from those who are
 * trusted for it. They are no advisories, so they are passed over here.
 */
export const openVex: SourceAdapter = {
  name: 'open-vex',
  defaultUrl: '',
  requests: () => [],
  accepts(record) {
    const outer = asObject(record)
    const context = asText(outer['@context']) ?? asText(asObject(outer['document'])['@context'])
    return context?.startsWith('https://openvex.dev/') ?? false
  },
  read: () => [{ skipped: true }],
}
