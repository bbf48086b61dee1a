import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { Value } from 'typebox/value'
import { JsonError, parseStrictJson } from '../kernel/json.ts'
import { RuntimeFailure } from '../runtime/failures.ts'
import { NodeConfig, NodeCredentials } from '../runtime/node-config.ts'
import type { RuntimeTrust } from '../runtime/offline.ts'

const maximumBytes = 16 * 1024 * 1024

/** A node as it is set up. */
export interface Node {
  readonly config: NodeConfig
  readonly trust: RuntimeTrust
  readonly credentials: NodeCredentials | undefined
}

/** Reads `node.json`. Throws TRUST_INVALID that names the file and what to do. */
export function readNodeConfig(path: string): NodeConfig {
  const document = readJson(path, 'write it with: pratique policy export containerd')
  if (Value.Check(NodeConfig, document)) return document
  throw new RuntimeFailure('TRUST_INVALID', `${path}: ${firstError(NodeConfig, document)}`)
}

/** Reads all that a node works with. Throws TRUST_INVALID. */
export async function readNode(path: string, now: number): Promise<Node> {
  const config = readNodeConfig(path)
  return { config, trust: await readTrust(path, config, now), credentials: readCredentials(path, config) }
}

/** Opens the trust that the configuration names. Throws TRUST_INVALID. */
export async function readTrust(path: string, config: NodeConfig, now: number): Promise<RuntimeTrust> {
  const { publicKeys, registry } = config
  const bundle = readBytes(trustFile(path, config), 'fetch it with: pratique node refresh')
  // What verifies is large, and an agent that only reads its settings has no use for it.
  const { openTrust } = await import('../runtime/offline.ts')
  return openTrust(bundle, { publicKeys, registry, now })
}

export function trustFile(path: string, { trust }: NodeConfig): string {
  return resolve(dirname(path), trust)
}

/** The account of the node; undefined when there is none, and the registry is asked without one. */
export function readCredentials(path: string, { credentials }: NodeConfig): NodeCredentials | undefined {
  if (credentials === undefined) return undefined
  const file = resolve(dirname(path), credentials)
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return undefined
  const document = readJson(file, 'it holds {"username": …, "password": …}')
  if (Value.Check(NodeCredentials, document)) return document
  throw new RuntimeFailure('TRUST_INVALID', `${file}: ${firstError(NodeCredentials, document)}`)
}

function readJson(path: string, remedy: string): unknown {
  try {
    return parseStrictJson(readBytes(path, remedy).toString('utf8'))
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw new RuntimeFailure('TRUST_INVALID', `${path}: ${error.message}; ${remedy}`)
  }
}

function readBytes(path: string, remedy: string): Buffer {
  try {
    if (statSync(path).size > maximumBytes) throw new Error(`it has more than ${maximumBytes} bytes`)
    return readFileSync(path)
  } catch (error) {
    const why =
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is none' : (error as Error).message
    throw new RuntimeFailure('TRUST_INVALID', `${path} cannot be read: ${why}; ${remedy}`)
  }
}

function firstError(schema: typeof NodeConfig | typeof NodeCredentials, document: unknown): string {
  const [first] = Value.Errors(schema, document)
  return `${first?.instancePath ? `${first.instancePath} ` : ''}${first?.message ?? 'it has the wrong form'}`
}
