import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PortMapping } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'

const pluginMs = 60_000
const maximumOutput = 1 << 20
const interfaceName = 'eth0'

interface PluginConfig {
  readonly type: string
  readonly capabilities?: Readonly<Record<string, boolean>>
}

interface NetworkConfig {
  readonly cniVersion: string
  readonly name: string
  readonly plugins: readonly PluginConfig[]
}

export interface CniOptions {
  readonly configFolder: string
  readonly pluginFolders: readonly string[]
}

/** A pod as the plugins see it. */
export interface Attachment {
  readonly podId: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly networkNamespace: string
  readonly portMappings: readonly PortMapping[]
}

/** The network of a pod, as it was made. */
export interface Attached {
  /** The configuration as it was then: it is taken back with the same. */
  readonly configFile: string
  readonly result: unknown
  readonly addresses: readonly string[]
}

/** Networks by CNI plugins (CNI specification 1.0, "Section 2: Execution Protocol"). */
export class Cni {
  readonly #options: CniOptions

  constructor(options: CniOptions) {
    this.#options = options
  }

  /** The first configuration of the folder, by name; undefined when there is none. */
  findConfig(): string | undefined {
    const { configFolder } = this.#options
    if (!existsSync(configFolder)) return undefined
    const [first] = readdirSync(configFolder)
      .filter((name) => /\.(conflist|conf|json)$/.test(name))
      .toSorted()
    return first === undefined ? undefined : join(configFolder, first)
  }

  /** Joins a pod to the network. What was half done is taken back. Throws FAILED_PRECONDITION. */
  async add(attachment: Attachment): Promise<Attached> {
    const configFile = this.findConfig()
    if (configFile === undefined) {
      throw new CriFailure(
        'FAILED_PRECONDITION',
        `there is no network configuration in ${this.#options.configFolder}`,
      )
    }
    const config = readConfig(configFile)
    let result: unknown
    try {
      for (const plugin of config.plugins) {
        result = await this.#run('ADD', config, plugin, attachment, result)
      }
    } catch (error) {
      await this.remove(attachment, { configFile, result })
      throw error
    }
    return { configFile, result, addresses: addressesOf(result) }
  }

  /** Takes a pod out, in the opposite order. What is gone already is no error. */
  async remove(attachment: Attachment, attached: Pick<Attached, 'configFile' | 'result'>): Promise<void> {
    if (!existsSync(attached.configFile)) return
    const config = readConfig(attached.configFile)
    for (const plugin of config.plugins.toReversed()) {
      await this.#run('DEL', config, plugin, attachment, attached.result)
    }
  }

  #find(type: string): string {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(type)) throw failed(type, 'that is no name of a plugin')
    const { pluginFolders } = this.#options
    const found = pluginFolders.map((folder) => join(folder, type)).find((path) => existsSync(path))
    if (found !== undefined) return found
    throw failed(type, `it is in none of ${pluginFolders.join(', ')}; install containernetworking-plugins`)
  }

  async #run(
    command: 'ADD' | 'DEL',
    { cniVersion, name }: NetworkConfig,
    plugin: PluginConfig,
    attachment: Attachment,
    previous: unknown,
  ): Promise<unknown> {
    const input = {
      ...plugin,
      cniVersion,
      name,
      ...(previous === undefined ? {} : { prevResult: previous }),
      ...runtimeConfig(plugin, attachment),
    }
    const { podId, networkNamespace, namespace, uid } = attachment
    const environment = {
      PATH: process.env['PATH'] ?? '',
      CNI_COMMAND: command,
      CNI_CONTAINERID: podId,
      CNI_NETNS: networkNamespace,
      CNI_IFNAME: interfaceName,
      CNI_PATH: this.#options.pluginFolders.join(':'),
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${attachment.name};K8S_POD_INFRA_CONTAINER_ID=${podId};K8S_POD_UID=${uid}`,
    }
    return execute(this.#find(plugin.type), plugin.type, environment, JSON.stringify(input))
  }
}

function readConfig(path: string): NetworkConfig {
  try {
    const document = JSON.parse(readFileSync(path, 'utf8')) as Partial<NetworkConfig & PluginConfig>
    const { cniVersion = '0.1.0', name, plugins } = document
    const all = plugins ?? (document.type === undefined ? [] : [document as PluginConfig])
    if (typeof name !== 'string' || all.length === 0) throw new Error('it has no name or no plugins')
    return { cniVersion, name, plugins: all }
  } catch (error) {
    throw new CriFailure(
      'FAILED_PRECONDITION',
      `the network configuration ${path} cannot be used: ${(error as Error).message}`,
    )
  }
}

/** CNI, "Deriving runtimeConfig": what a plugin says that it can take. */
function runtimeConfig({ capabilities = {} }: PluginConfig, { portMappings }: Attachment): object {
  const ports = portMappings
    .filter(({ hostPort }) => hostPort > 0)
    .map(({ hostPort, containerPort, protocol, hostIp }) => ({
      hostPort,
      containerPort,
      protocol: protocol.toLowerCase(),
      ...(hostIp === '' ? {} : { hostIP: hostIp }),
    }))
  return capabilities['portMappings'] && ports.length > 0 ? { runtimeConfig: { portMappings: ports } } : {}
}

function execute(
  program: string,
  type: string,
  environment: Readonly<Record<string, string>>,
  input: string,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [], {
      env: environment,
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: pluginMs,
      killSignal: 'SIGKILL',
    })
    let output = ''
    let complaint = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (output.length > maximumOutput) child.kill('SIGKILL')
    })
    child.stderr.on('data', (chunk: Buffer) => (complaint = `${complaint}${chunk.toString()}`.slice(-2_000)))
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    child.once('error', (error) => reject(failed(type, error.message)))
    child.once('close', (code) => {
      if (code === 0) return resolve(parse(output))
      const { msg, details } = (parse(output) ?? {}) as { msg?: string; details?: string }
      reject(
        failed(
          type,
          [msg, details].filter(Boolean).join(': ') || complaint.trim() || `it ended with ${code}`,
        ),
      )
    })
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function addressesOf(result: unknown): string[] {
  const { ips = [] } = (result ?? {}) as { ips?: readonly { address?: string }[] }
  return ips.flatMap(({ address }) => (address === undefined ? [] : [address.split('/', 1)[0] as string]))
}

function failed(type: string, why: string): CriFailure {
  return new CriFailure('FAILED_PRECONDITION', `the network plugin ${type} failed: ${why}`)
}

/** Where packages put plugins and configurations. */
export const usualCni: CniOptions = {
  configFolder: '/etc/cni/net.d',
  pluginFolders: ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni'],
}
