import { createHash, createPublicKey } from 'node:crypto'
import { RuntimeFailure } from '../failures.ts'
import { defaultTimeoutMs, type NodeConfig } from '../node-config.ts'
import { serverSigner } from '../only-server.ts'
import type { ExportedFile, ExportOptions, NodeOptions, RuntimeTrust } from '../types.ts'
import { toJson } from './containers/index.ts'

/** What our own program on a node reads: whom it trusts, and the signed trust. */
export function nodeFiles(
  { registry }: RuntimeTrust,
  { others }: ExportOptions,
  { server, signer, bundle }: NodeOptions,
  publicKey: string,
): ExportedFile[] {
  const config: NodeConfig = {
    registry,
    server,
    trust: 'trust.json',
    publicKeys: [publicKey],
    credentials: 'credentials.json',
    signer,
    others,
    timeoutMs: defaultTimeoutMs,
  }
  return [
    { path: 'etc/pratique/node.json', content: toJson(config) },
    { path: 'etc/pratique/trust.json', content: bundle },
  ]
}

/** Throws TRUST_INVALID. */
export function serverKeyOf({ signers }: RuntimeTrust): string {
  const server = signers.find(({ name }) => name === serverSigner)
  if (server?.identity.kind !== 'key')
    throw new RuntimeFailure('TRUST_INVALID', 'the trust has no key of the server')
  return server.identity.publicKey
}

export function keyNote(publicKey: string): string {
  const der = createPublicKey(publicKey).export({ type: 'spki', format: 'der' })
  const fingerprint = createHash('sha256').update(der).digest('hex')
  return `the key that the node trusts is sha256:${fingerprint}: compare it with pratique signer server-key on another machine`
}

export const accountNote =
  'put {"username": …, "password": …} of a robot that may pull into /etc/pratique/credentials.json, readable by root only'
