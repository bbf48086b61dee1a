import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SettingsError } from '../../settings.ts'
import { isInNetworks, isPublicAddress, parseNetworks } from './guard-address.ts'

const hidden: Readonly<Record<string, string>> = {
  'this host': '0.0.0.0',
  private: '10.1.2.3',
  'private, upper end': '172.31.255.255',
  'private, third': '192.168.0.1',
  loopback: '127.0.0.1',
  'any loopback': '127.255.0.9',
  'link-local and metadata': '169.254.169.254',
  'carrier-grade NAT': '100.64.0.1',
  'metadata in carrier-grade NAT': '100.100.100.200',
  'metadata at a public address': '168.63.129.16',
  multicast: '224.0.0.1',
  broadcast: '255.255.255.255',
  documentation: '192.0.2.1',
  'documentation, second': '198.51.100.1',
  'documentation, third': '203.0.113.1',
  benchmarking: '198.18.0.1',
  'protocol assignments': '192.0.0.8',
  reserved: '240.0.0.1',
  'IPv6 unspecified': '::',
  'IPv6 loopback': '::1',
  'IPv6 link-local': 'fe80::1',
  'IPv6 with a zone': '2606:4700::1%eth0',
  'IPv6 site-local': 'fec0::1',
  'unique local': 'fd00:ec2::254',
  'IPv6 multicast': 'ff02::1',
  'IPv6 documentation': '2001:db8::1',
  'IPv6 documentation, second': '3fff::1',
  NAT64: '64:ff9b::7f00:1',
  'local NAT64': '64:ff9b:1::1',
  '6to4': '2002:7f00:1::',
  Teredo: '2001::1',
  'mapped loopback': '::ffff:127.0.0.1',
  'mapped loopback in hexadecimal': '::ffff:7f00:1',
  'translated loopback': '::ffff:0:127.0.0.1',
  'IPv4-compatible': '::127.0.0.1',
  'not assigned': '4000::1',
  'no address': 'localhost',
  'a decimal number': '2130706433',
  'octal parts': '0177.0.0.1',
  'two parts': '127.1',
  nothing: '',
}
for (const [name, address] of Object.entries(hidden)) {
  test(`is not public: ${name}, ${address}`, () => assert.equal(isPublicAddress(address), false))
}

for (const address of ['1.1.1.1', '93.184.216.34', '172.32.0.1', '2606:4700::1111', '::ffff:1.1.1.1']) {
  test(`is public: ${address}`, () => assert.equal(isPublicAddress(address), true))
}

test('an IPv4 address is as public as the same address mapped into IPv6', () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      assert.equal(isPublicAddress(`::ffff:${address}`), isPublicAddress(address))
    }),
  )
})

test('whatever text comes, it is answered and never thrown at', () => {
  fc.assert(fc.property(fc.string(), (text) => assert.equal(typeof isPublicAddress(text), 'boolean')))
})

test('an allowed network holds its own addresses, mapped ones too, and no others', () => {
  const networks = parseNetworks(['10.1.0.0/16', '::ffff:127.0.0.0/104', 'fd00::/8'])
  for (const address of ['10.1.255.1', '::ffff:10.1.2.3', '127.9.9.9', 'fd12::1'])
    assert.equal(isInNetworks(address, networks), true, address)
  for (const address of ['10.2.0.1', '128.0.0.1', 'fe80::1', '::1', 'x'])
    assert.equal(isInNetworks(address, networks), false, address)
})

for (const text of ['10.0.0.0', '10.0.0.0/33', 'intranet', '/8', '']) {
  test(`as a network is refused: ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseNetworks([text]), SettingsError)
  })
}
