import ipaddr from 'ipaddr.js'
import { SettingsError } from '../../settings.ts'

type Address = ipaddr.IPv4 | ipaddr.IPv6
export type Network = readonly [address: Address, bits: number]

/** RFC 4291 and the IANA registry of IPv6 address space: all global unicast there is lies in here. */
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3')
/** A public address, and yet the metadata service of the cloud that a server runs in. */
const metadataAddresses: readonly string[] = ['168.63.129.16']

/** Reads the address ranges that an operator allows. Throws `SettingsError`. */
export function parseNetworks(cidrs: readonly string[]): readonly Network[] {
  return cidrs.map((text) => {
    try {
      if (!text.includes('/')) throw new Error('no length of a prefix')
      const [address, bits] = ipaddr.parseCIDR(text)
      const isMapped = address.kind() === 'ipv6' && (address as ipaddr.IPv6).isIPv4MappedAddress()
      return isMapped && bits >= 96 ? [(address as ipaddr.IPv6).toIPv4Address(), bits - 96] : [address, bits]
    } catch (error) {
      throw new SettingsError(
        `setting notificationNetworks: ${JSON.stringify(text)} is not an address range such as 10.1.0.0/16`,
        { cause: error },
      )
    }
  })
}

/**
 * True for an address on the public internet, by the IANA special-purpose registries: not private, loopback,
 * link-local, unique-local, shared (RFC 6598), translated (RFC 6052), tunnelled, multicast, for documentation
 * or otherwise reserved, and no metadata service.
 */
export function isPublicAddress(text: string): boolean {
  const address = parseAddress(text)
  if (address === undefined || address.range() !== 'unicast') return false
  if (metadataAddresses.includes(address.toString())) return false
  return address.kind() === 'ipv4' || (address as ipaddr.IPv6).match(globalUnicast)
}

/** True for an address in one of the ranges. */
export function isInNetworks(text: string, networks: readonly Network[]): boolean {
  const address = parseAddress(text)
  if (address === undefined) return false
  return networks.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits))
}

/** The address in its plain form: no zone, and IPv4 that comes mapped into IPv6 as IPv4. */
function parseAddress(text: string): Address | undefined {
  if (!ipaddr.IPv6.isValid(text) && !ipaddr.IPv4.isValidFourPartDecimal(text)) return undefined
  // A zone names an interface of this machine: such an address is local, whatever its number is.
  if (text.includes('%')) return undefined
  return ipaddr.process(text)
}
