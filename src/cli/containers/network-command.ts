import { writeFileSync } from 'node:fs'
import { BlockList, isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Command } from 'commander'
import { CommandError } from '../client.ts'
import { print } from '../print.ts'

const bridge = 'pratique0'
/** As wide as it may be, and as narrow that pods have room: the gateway has an address as well. */
const widest = 8
const narrowest = 29

/** `pratique node network`: a network for pods of a node that no cluster gives one. */
export function networkCommand(node: Command): void {
  node
    .command('network')
    .description('a CNI configuration for pods, where no cluster brings one')
    .option('--subnet <cidr>', 'where their addresses are from', '10.87.0.0/16')
    .option('--out <file>', 'where to write; standard output when not given')
    .action(({ subnet, out }: { readonly subnet: string; readonly out?: string }) => {
      requireFree(subnet)
      const text = JSON.stringify(configurationOf(subnet), undefined, 2)
      if (out === undefined) return print(text)
      writeFileSync(out, `${text}\n`)
      print(out)
    })
}

/** CNI 1.0, by the plugins of containernetworking: one bridge, what goes out has the address of the node. */
function configurationOf(subnet: string): object {
  const ipam = { type: 'host-local', ranges: [[{ subnet }]], routes: [{ dst: '0.0.0.0/0' }] }
  return {
    cniVersion: '1.0.0',
    name: 'pratique',
    plugins: [
      { type: 'bridge', bridge, isGateway: true, ipMasq: true, hairpinMode: true, ipam },
      { type: 'portmap', capabilities: { portMappings: true } },
      { type: 'firewall' },
    ],
  }
}

/** What the node reaches already would be out of its reach. */
function requireFree(subnet: string): void {
  const [address = '', length = ''] = subnet.split('/')
  const prefix = /^\d{1,2}$/.test(length) ? Number(length) : 0
  if (!isIPv4(address) || prefix < widest || prefix > narrowest) {
    throw new CommandError(`--subnet takes addresses like 10.87.0.0/16 (IPv4), not ${JSON.stringify(subnet)}`)
  }
  const own = new BlockList()
  own.addSubnet(address, prefix)
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    for (const { family, address: taken, cidr } of name === bridge ? [] : addresses) {
      if (family !== 'IPv4') continue
      const theirs = new BlockList()
      theirs.addSubnet(taken, Number(cidr?.split('/')[1] ?? 32))
      if (own.check(taken) || theirs.check(address)) {
        throw new CommandError(`${subnet} has addresses of ${name} (${cidr}) in it; choose another --subnet`)
      }
    }
  }
}
