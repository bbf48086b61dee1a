import ipaddr from 'ipaddr.js'
import { IdentityFailure } from './failures.ts'

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number]

/** Hops of `X-Forwarded-For` that are looked at. */
const maximumHops = 32

/** An address in its plain form: no zone, and IPv4 that came mapped into IPv6 as IPv4. */
export function normaliseAddress(text: string): string | undefined {
  const [address = ''] = text.split('%', 1)
  if (!ipaddr.IPv6.isValid(address) && !ipaddr.IPv4.isValidFourPartDecimal(address)) return undefined
  return ipaddr.process(address).toString()
}

/** True when the address lies in one of the ranges. Throws RULE_INVALID for a range that is none. */
export function isInRanges(address: string, cidrs: readonly string[]): boolean {
  const normal = normaliseAddress(address)
  if (normal === undefined) return false
  const parsed = ipaddr.parse(normal)
  return cidrs.some((cidr) => {
    const [network, bits] = parseCidr(cidr)
    return network.kind() === parsed.kind() && parsed.match(network, bits)
  })
}

/** Parses `10.0.0.0/8`, `2001:db8::/32` or one address. Throws RULE_INVALID. */
export function parseCidr(text: string): Range {
  try {
    const normal = normaliseAddress(text)
    if (normal !== undefined) {
      const one = ipaddr.parse(normal)
      return [one, one.kind() === 'ipv4' ? 32 : 128]
    }
    const [network, bits] = ipaddr.parseCIDR(text)
    if (network.kind() === 'ipv6' && (network as ipaddr.IPv6).isIPv4MappedAddress() && bits >= 96) {
      return [(network as ipaddr.IPv6).toIPv4Address(), bits - 96]
    }
    return [network, bits]
  } catch {
    throw new IdentityFailure(
      'RULE_INVALID',
      `${JSON.stringify(text)} is not an address range such as 10.1.0.0/16`,
    )
  }
}

/**
 * The client's address: that of the connection, unless it comes from a trusted proxy; then the rightmost hop
 * of `X-Forwarded-For` that is not a trusted proxy itself. What stands further left was said by others.
 */
export function sourceAddressOf(
  peer: string,
  forwardedFor: string | string[] | undefined,
  trustedProxies: readonly string[],
): string {
  let address = normaliseAddress(peer) ?? ''
  if (trustedProxies.length === 0 || forwardedFor === undefined) return address
  const hops = [forwardedFor].flat().join(',').split(',').slice(-maximumHops)
  for (const hop of hops.toReversed()) {
    if (!isInRanges(address, trustedProxies)) return address
    const next = normaliseAddress(hop.trim())
    // A hop that cannot be read ends the trust: the address is unknown, and no rule lets it in.
    if (next === undefined) return ''
    address = next
  }
  return address
}
