import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { PodSandboxConfig } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'
import { userNamespace } from '../rootless/user-namespace.ts'
import { connectPod, disconnectPod, findObstacle, resolversForPod } from '../rootless/user-network.ts'
import { removeGroups } from './cgroups.ts'
import type { Attachment } from './cni.ts'
import { cgroupPath, getRuntime, podFolder, type EngineParts } from './engine-parts.ts'
import type { HeldContainers } from './held-containers.ts'
import type { NamespaceKind } from './namespaces.ts'
import { refuseUserNamespace } from './refuse-unheld.ts'
import type { PodRecord } from './types.ts'

const run = promisify(execFile)

/** A pod that says so has a loopback device and nothing else. */
const networkAnnotation = 'pratique.dev/network'
const lookMs = 2_000

/** The pods of the engine. */
export class Pods {
  readonly #parts: EngineParts
  readonly #containers: HeldContainers

  constructor(parts: EngineParts, containers: HeldContainers) {
    this.#parts = parts
    this.#containers = containers
  }

  async run(handler: string, config: PodSandboxConfig): Promise<PodRecord> {
    const { clock, bootId, namespaces, pods, cni } = this.#parts
    getRuntime(this.#parts, handler)
    refuseUserNamespace(config.linux?.securityContext?.namespaceOptions)
    const id = randomBytes(32).toString('hex')
    const network = this.#networkOf(config)
    const configFile = network === 'cni' ? cni.findConfig() : undefined
    // Written down first: what is half made is found and taken away after a crash.
    const record = pods.save({
      id,
      handler,
      config,
      createdAt: clock.now(),
      state: 'stopped',
      isHalfMade: true,
      bootId,
      network,
      addresses: [],
      ...(configFile === undefined ? {} : { cni: { configFile, result: undefined } }),
    })
    try {
      await namespaces.make(id, namespacesFor(network, config))
      await this.#makeFiles(record)
      const attached = network === 'cni' ? await cni.add(this.#attachment(record)) : undefined
      return pods.save({
        ...record,
        state: 'ready',
        isHalfMade: false,
        addresses: network === 'user' ? await this.#connect(record) : (attached?.addresses ?? []),
        ...(attached ? { cni: { configFile: attached.configFile, result: attached.result } } : {}),
      })
    } catch (error) {
      // The network has taken back its own half.
      await this.#takeDown({ ...record, cni: undefined })
      rmSync(podFolder(this.#parts, id), { recursive: true, force: true })
      pods.remove(id)
      throw error
    }
  }

  /** Ends everything in it and gives its addresses back; may be called again. */
  async stop(record: PodRecord): Promise<void> {
    const { pods } = this.#parts
    // Nothing is made or started in it from now on.
    if (record.state === 'ready') pods.save({ ...record, state: 'stopped' })
    await this.#containers.endAll(record.id, 'stop')
    await this.#takeDown(record)
    if (record.cni) pods.save({ ...record, state: 'stopped', cni: undefined })
  }

  /** Stops pods in which nothing can run any more, again and again, so that the kubelet makes them anew. */
  lookAfter(): { readonly close: () => void } {
    const { pods, namespaces, log } = this.#parts
    const stopEnded = async ({ id }: PodRecord): Promise<void> => {
      const record = pods.find(id)
      if (record?.state === 'ready' && namespaces.hasEnded(id)) await this.stop(record)
    }
    const timer = setInterval(() => {
      for (const pod of pods.list()) {
        this.#containers
          .inTurn(pod.id, () => stopEnded(pod))
          .catch((error: unknown) => log.error({ err: error, id: pod.id }, 'a pod was not stopped'))
      }
    }, lookMs).unref()
    return { close: () => clearInterval(timer) }
  }

  async remove(record: PodRecord): Promise<void> {
    await this.stop(record)
    await this.#containers.endAll(record.id, 'remove')
    // A group that was given belongs to whoever gave it.
    if (!record.config.linux?.cgroupParent) removeGroups(join(cgroupPath(record, 'x'), '..'))
    rmSync(podFolder(this.#parts, record.id), { recursive: true, force: true })
    this.#parts.pods.remove(record.id)
  }

  #networkOf(config: PodSandboxConfig): PodRecord['network'] {
    if (config.linux?.securityContext?.namespaceOptions?.network === 'NODE') return 'node'
    if (config.annotations[networkAnnotation] === 'none') return 'none'
    if (userNamespace()) {
      const { why, remedy } = findObstacle() ?? {}
      if (why === undefined) return 'user'
      throw new CriFailure(
        'FAILED_PRECONDITION',
        `${why}: ${remedy}, or give the pod the network of the node (--network host), or none (annotation ${networkAnnotation}: none)`,
      )
    }
    if (this.#parts.cni.findConfig() !== undefined) return 'cni'
    throw new CriFailure(
      'FAILED_PRECONDITION',
      `no network is set up for pods on this node: write one (pratique node network --out /etc/cni/net.d/50-pratique.conflist), or give the pod the network of the node, or none (annotation ${networkAnnotation}: none)`,
    )
  }

  async #takeDown(record: PodRecord): Promise<void> {
    if (record.cni) {
      const attachment = this.#attachment(record)
      // CNI, "DEL": without a namespace, which a restart takes away, the address is still to be given back.
      const isOld = record.bootId !== this.#parts.bootId
      await this.#parts.cni.remove(isOld ? { ...attachment, networkNamespace: '' } : attachment, record.cni)
    }
    const folder = podFolder(this.#parts, record.id)
    if (record.network === 'user') await disconnectPod(folder)
    await this.#parts.namespaces.remove(record.id)
    const shm = join(folder, 'shm')
    if (existsSync(shm)) await run('umount', ['--lazy', shm]).catch(() => {})
  }

  #connect({ id, config }: PodRecord): Promise<string[]> {
    const networkNamespace = this.#parts.namespaces.path(id, 'net')
    const { portMappings } = config
    return connectPod({ networkNamespace, folder: podFolder(this.#parts, id), portMappings })
  }

  #attachment({ id, config }: PodRecord): Attachment {
    return {
      podId: id,
      namespace: config.metadata?.namespace ?? '',
      name: config.metadata?.name ?? '',
      uid: config.metadata?.uid ?? '',
      networkNamespace: this.#parts.namespaces.path(id, 'net'),
      portMappings: config.portMappings,
    }
  }

  /** What containers of one pod share besides namespaces. */
  async #makeFiles({ id, config, network }: PodRecord): Promise<void> {
    const folder = podFolder(this.#parts, id)
    mkdirSync(join(folder, 'shm'), { recursive: true, mode: 0o755 })
    const { hostname, dnsConfig } = config
    // Written, not copied: a copy would be of whom the file is.
    if (network === 'node') writeFileSync(join(folder, 'hosts'), readFileSync('/etc/hosts'))
    else writeFileSync(join(folder, 'hosts'), `127.0.0.1 localhost\n::1 localhost\n127.0.1.1 ${hostname}\n`)
    writeFileSync(
      join(folder, 'hostname'),
      `${hostname || readFileSync('/proc/sys/kernel/hostname', 'utf8').trim()}\n`,
    )
    if (dnsConfig && dnsConfig.servers.length > 0) {
      const lines = [
        ...dnsConfig.servers.map((server) => `nameserver ${server}`),
        ...(dnsConfig.searches.length > 0 ? [`search ${dnsConfig.searches.join(' ')}`] : []),
        ...(dnsConfig.options.length > 0 ? [`options ${dnsConfig.options.join(' ')}`] : []),
      ]
      writeFileSync(join(folder, 'resolv.conf'), `${lines.join('\n')}\n`)
    } else if (existsSync('/etc/resolv.conf')) {
      const text = readFileSync('/etc/resolv.conf', 'utf8')
      writeFileSync(join(folder, 'resolv.conf'), network === 'user' ? resolversForPod(text) : text)
    }
    const options = 'nosuid,nodev,noexec,mode=1777,size=64m'
    await run('mount', ['--types', 'tmpfs', '--options', options, 'shm', join(folder, 'shm')])
  }
}

function namespacesFor(network: PodRecord['network'], config: PodSandboxConfig): NamespaceKind[] {
  const isNodeIpc = config.linux?.securityContext?.namespaceOptions?.ipc === 'NODE'
  return [...(network === 'node' ? [] : (['net', 'uts'] as const)), ...(isNodeIpc ? [] : (['ipc'] as const))]
}
