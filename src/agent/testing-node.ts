import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { signStatement, type ServerKey } from '../signing/index.ts'
import { digestOf } from '../kernel/digest.ts'
import type { NodeConfig, RuntimeTrust } from '../runtime/offline.ts'

/** A node in a temporary folder, as exports write it. */
export interface TestNode {
  readonly root: string
  readonly configPath: string
  readonly key: ServerKey
  readonly config: NodeConfig
}

export function makeServerKey(): ServerKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    privateKey: createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }) as string,
  }
}

/** The server's signature over a trust. */
export function signTrust(key: ServerKey, trust: RuntimeTrust): Buffer {
  const predicate: unknown = JSON.parse(JSON.stringify(trust))
  return signStatement(key, {
    subject: { name: trust.registry, digest: digestOf(JSON.stringify(predicate)) },
    predicateType: 'https://pratique.dev/runtime-trust/v1',
    predicate,
  })
}

export function makeNode(
  trust: RuntimeTrust,
  more: Partial<NodeConfig> = {},
  key = makeServerKey(),
): TestNode {
  const root = mkdtempSync(join(tmpdir(), 'pratique-node-'))
  const config: NodeConfig = {
    registry: trust.registry,
    server: `http://${trust.registry}`,
    trust: 'trust.json',
    publicKeys: [key.publicKeyPem],
    signer: 'policy',
    others: 'reject',
    ...more,
  }
  writeFiles(root, {
    'etc/pratique/node.json': JSON.stringify(config),
    'etc/pratique/trust.json': signTrust(key, trust).toString('utf8'),
  })
  return { root, configPath: join(root, 'etc/pratique/node.json'), key, config }
}

/** Writes files below a root; a name that ends with `*` is executable. */
export function writeFiles(root: string, files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name.replace(/\*$/, ''))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content, { mode: name.endsWith('*') ? 0o755 : 0o644 })
  }
}
