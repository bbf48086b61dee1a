import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { accessSync, constants, existsSync, rmSync } from 'node:fs'
import { createServer, isIP } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { PortMapping } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'
import { isAlive, readHolder, type Holder } from '../engine/holder.ts'
import { findProgram } from '../runtimes/find-runtimes.ts'

const run = promisify(execFile)

const startMs = 20_000
const endMs = 5_000
const pollMs = 10
const device = '/dev/net/tun'

/**
 * Every pod has the same address behind a router of its own, as the machine's would hide the machine from it. What is
 * sent to the resolver goes to the first one of the machine, which may listen on the loopback device only.
 */
const address = '10.0.2.100'
const router = '10.0.2.2'
const resolver = '10.0.2.3'

/** A shell writes down who it is, as that goes on when the agent is killed meanwhile. */
const startPasta =
  'program=$1 file=$2; shift 2; "$program" --pid "$file.pid" "$@" || exit; ' +
  'read -r pid <"$file.pid"; set -- $(cat "/proc/$pid/stat"); echo "{\\"pid\\":$1,\\"startTime\\":\\"${22}\\"}" >"$file"'

/** A pod as it is connected. */
export interface UserConnection {
  readonly networkNamespace: string
  /** Where it is written down which process connects it. */
  readonly folder: string
  readonly portMappings: readonly PortMapping[]
}

/** What keeps an account without root from connecting pods, and the remedy. */
export function findObstacle(): { readonly why: string; readonly remedy: string } | undefined {
  if (findPasta() === undefined) {
    const why = 'an account without root joins pods to a network by pasta, which is not installed'
    return { why, remedy: 'install the package passt' }
  }
  if (!existsSync(device)) return { why: `there is no ${device}`, remedy: 'modprobe tun' }
  try {
    accessSync(device, constants.R_OK | constants.W_OK)
    return undefined
  } catch {
    return { why: `this account may not open ${device}`, remedy: `chmod 666 ${device}, as udev does` }
  }
}

function findPasta(): string | undefined {
  return findProgram('pasta', process.env['PATH'] ?? '')
}

/**
 * Connects the network namespace of a pod by pasta(1), a process that makes the connections of the pod as the account
 * and listens at its published ports. Gives the addresses of the pod. Throws FAILED_PRECONDITION.
 */
export async function connectPod(connection: UserConnection): Promise<string[]> {
  const { networkNamespace, folder, portMappings } = connection
  const ports = portMappings.filter(({ hostPort }) => hostPort > 0)
  for (const one of ports) await requireFree(one)
  const options = ['--config-net', '--quiet', '--netns', networkNamespace]
  const addresses = ['--address', address, '--netmask', '24', '--gateway', router, '--dns-forward', resolver]
  // The loopback device of the machine stays closed to the pod.
  const closed = ['--no-map-gw', '--tcp-ns', 'none', '--udp-ns', 'none']
  const published = [...portOptions('--tcp-ports', 'TCP', ports), ...portOptions('--udp-ports', 'UDP', ports)]
  const all = [findPasta() ?? 'pasta', placeIn(folder), ...options, ...addresses, ...closed, ...published]
  try {
    await run('sh', ['-c', startPasta, 'sh', ...all], { timeout: startMs })
    return await readAddresses(networkNamespace)
  } catch (error) {
    await disconnectPod(folder)
    throw failed(whatSaid(error))
  }
}

/** Ends what connects a pod, if it is still that; may be called again. */
export async function disconnectPod(folder: string): Promise<void> {
  const found = readHolder(placeIn(folder))
  if (found) await end(found)
  rmSync(placeIn(folder), { force: true })
}

/** A resolver on the loopback device is the machine's, and not that of a pod. */
export function resolversForPod(resolvConf: string): string {
  return resolvConf.replaceAll(/^(\s*nameserver\s+)(?:127\.\S+|::1)(?!\S)/gm, `$1${resolver}`)
}

function placeIn(folder: string): string {
  return join(folder, 'pasta')
}

/** Kills it, and waits for that, as its ports are taken until then. */
async function end(connector: Holder): Promise<void> {
  for (let waited = 0; isAlive(connector) && waited < endMs; waited += pollMs) {
    try {
      // The first process of a process namespace, as it is, heeds no other signal (pid_namespaces(7)).
      process.kill(connector.pid, 'SIGKILL')
    } catch {
      // It has ended by itself, as it does when its namespace is removed.
    }
    await pause(pollMs)
  }
}

/** One at a time: what is not named would be forwarded by itself. */
function portOptions(option: string, protocol: string, ports: readonly PortMapping[]): string[] {
  const own = ports.filter((one) => one.protocol === protocol)
  if (own.length === 0) return [option, 'none']
  return own.flatMap(({ hostIp, hostPort, containerPort }) => [
    option,
    `${hostIp === '' ? '' : `${hostIp}/`}${hostPort}:${containerPort}`,
  ])
}

/** pasta does not say why it cannot listen, and is content with IPv6 alone. */
async function requireFree({ hostIp, hostPort, protocol }: PortMapping): Promise<void> {
  const what = `${hostIp || 'every address'}, port ${hostPort} (${protocol})`
  if (protocol === 'SCTP') throw failed(`${what}: it forwards TCP and UDP only`)
  if (hostIp !== '' && isIP(hostIp) === 0) throw failed(`${hostIp} is no address`)
  try {
    await (protocol === 'UDP' ? tryUdp : tryTcp)(hostPort, hostIp || '0.0.0.0')
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    throw failed(`${what}: ${portRemedies[code]?.replace('PORT', String(hostPort)) ?? message}`)
  }
}

const portRemedies: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is taken (ss -lntup tells by whom): end that, or publish another port',
  EADDRNOTAVAIL: 'the address is none of this machine: publish at one that is, or at all',
  EACCES:
    'an account without root may not listen there: publish a port from 1024 on, or allow it (sysctl -w net.ipv4.ip_unprivileged_port_start=PORT)',
}

function tryTcp(port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ port, host }, () => server.close(() => resolve()))
  })
}

function tryUdp(port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4')
    socket.once('error', reject)
    socket.bind({ port, address: host }, () => socket.close(() => resolve()))
  })
}

async function readAddresses(networkNamespace: string): Promise<string[]> {
  const show = ['ip', '-json', 'address', 'show', 'scope', 'global']
  const { stdout } = await run('nsenter', [`--net=${networkNamespace}`, ...show], { timeout: startMs })
  const devices = JSON.parse(stdout) as { addr_info?: { local?: string }[] }[]
  const addresses = devices.flatMap(({ addr_info: found = [] }) => found.flatMap(({ local }) => local ?? []))
  if (addresses.length > 0) return addresses
  throw new Error('it gave no address: this machine has no default route')
}

function whatSaid(error: unknown): string {
  const { stderr = '', message } = error as { stderr?: string; message: string }
  const lines = stderr.split('\n').filter((line) => line !== '' && !line.includes('to syslog'))
  const said = lines.join('; ') || message
  const remedy = remedies.find(([pattern]) => pattern.test(said))?.[1]
  return remedy === undefined ? said : `${said}: ${remedy}`
}

const remedies: readonly (readonly [RegExp, string])[] = [
  [/overlapping/i, 'publish a port at one address, or at all'],
  [/bind/i, 'see who has the port with ss -lntup, or publish another'],
  [/routable interface/i, 'the machine needs a default route'],
  [
    /network namespace.*denied/i,
    'AppArmor keeps pasta from the folder of the agent; give it `/run/user/*/pratique/** r,` in /etc/apparmor.d/abstractions/pasta, and load /etc/apparmor.d/usr.bin.passt again with apparmor_parser -r',
  ],
]

function failed(why: string): CriFailure {
  return new CriFailure('FAILED_PRECONDITION', `pasta does not connect the pod: ${why}`)
}
