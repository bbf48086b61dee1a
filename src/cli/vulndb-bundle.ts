import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto'
import { createReadStream, createWriteStream, openSync, readFileSync, readSync, closeSync } from 'node:fs'
import { rename, rm, stat } from 'node:fs/promises'
import { Readable, Transform } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import tar from 'tar-stream'
import { finishDigest, isDigest, type Digest } from '../kernel/digest.ts'
import { mediaTypes, type Descriptor } from '../kernel/media-types.ts'
import { formatReference, parseImageName } from '../kernel/reference.ts'
import {
  bundleArtifact,
  bundleArtifactType,
  bundleEntries,
  bundleLayerType,
  bundleLimits,
  type BundleManifest,
} from '../scanning/vulndb/bundle/wire.ts'
import { CommandError, ProblemError, withQuery, type Client } from './client.ts'

/** Fetches the server's database as a bundle, signs it, and writes it to a file. */
export async function exportBundle(client: Client, path: string, keyFile: string): Promise<BundleManifest> {
  const key = readKey(keyFile, createPrivateKey)
  const answer = await client.raw('GET', '/api/v1/vulndb/bundle')
  const part = `${path}.part`
  try {
    const manifest = await addSignature(Readable.fromWeb(answer.body as never), key, part)
    await rename(part, path)
    return manifest
  } finally {
    await rm(part, { force: true })
  }
}

/** Copies a bundle with the signature over its manifest behind that; the private key stays here. */
async function addSignature(bundle: Readable, key: KeyObject, to: string): Promise<BundleManifest> {
  const [from, pack] = [tar.extract(), tar.pack()]
  const written = pipeline(pack as unknown as Readable, createWriteStream(to))
  const read = pipeline(bundle, from as unknown as NodeJS.WritableStream)
  read.catch((error: Error) => pack.destroy(error))
  written.catch(() => {})
  let manifest: BundleManifest | undefined
  for await (const entry of from) {
    const content = entry as unknown as Readable
    if (entry.header.name === bundleEntries.manifest) {
      if ((entry.header.size ?? 0) > bundleLimits.manifestBytes)
        throw new CommandError('the manifest of the bundle is too large')
      const bytes = await buffer(content)
      manifest = JSON.parse(bytes.toString()) as BundleManifest
      pack.entry({ ...entry.header }, bytes)
      const algorithm = key.asymmetricKeyType === 'ed25519' ? null : 'sha256'
      const signature = sign(algorithm, bytes, key).toString('base64')
      pack.entry({ name: bundleEntries.signature, mtime: entry.header.mtime }, signature)
    } else await pipeline(content, pack.entry({ ...entry.header }))
  }
  pack.finalize()
  await Promise.all([read, written])
  if (!manifest) throw new CommandError('the server sent no bundle')
  return manifest
}

/** True for a file that begins as a bundle does. */
export function isBundle(path: string): boolean {
  const head = Buffer.alloc(100)
  const file = openSync(path, 'r')
  try {
    readSync(file, head, 0, head.length, 0)
  } finally {
    closeSync(file)
  }
  return head.toString('latin1').startsWith(`${bundleEntries.manifest}\0`)
}

export interface BundleOptions {
  /** File of the public key that has to have signed it, beside those that the server trusts. */
  readonly key?: string
  readonly allowOlder?: boolean
}

/** Has the server check a bundle and put it into use. */
export async function importBundle(
  client: Client,
  path: string,
  options: BundleOptions,
): Promise<BundleManifest> {
  const key = options.key === undefined ? undefined : readKey(options.key, createPublicKey)
  const target = withQuery('/api/v1/vulndb/bundle', {
    key: key?.export({ format: 'der', type: 'spki' }).toString('base64url'),
    allowOlder: options.allowOlder ? 'true' : undefined,
  })
  const headers = { 'content-type': 'application/x-tar' }
  return client.upload<BundleManifest>('POST', target, createReadStream(path), headers)
}

/** Puts a bundle into the registry as an OCI artifact. Gives its digest. */
export async function pushBundle(
  client: Client,
  path: string,
  name: string,
  about: BundleManifest,
): Promise<Digest> {
  const image = parseImageName(name)
  const bundle = await describeFile(path)
  const { manifest, config } = bundleArtifact(bundle, about)
  const configDigest = finishDigest('sha256', createHash('sha256').update(config))
  await pushBlob(client, image.repository, configDigest, config, config.length)
  await pushBlob(client, image.repository, bundle.digest as Digest, createReadStream(path), bundle.size)
  const target = `/v2/${image.repository}/manifests/${formatReference(image.reference)}`
  await client.upload('PUT', target, manifest, { 'content-type': mediaTypes.ociManifest })
  return finishDigest('sha256', createHash('sha256').update(manifest))
}

/** Fetches a bundle from the registry into a file. */
export async function pullBundle(client: Client, name: string, path: string): Promise<void> {
  const image = parseImageName(name)
  const answer = await client.raw(
    'GET',
    `/v2/${image.repository}/manifests/${formatReference(image.reference)}`,
  )
  const document = JSON.parse(await answer.text()) as {
    readonly artifactType?: string
    readonly layers?: readonly Descriptor[]
  }
  const [layer, ...others] = document.layers ?? []
  const isOurs = document.artifactType === bundleArtifactType && layer?.mediaType === bundleLayerType
  if (!isOurs || others.length > 0 || !isDigest(layer.digest))
    throw new CommandError(`${name} is no bundle of a vulnerability database`)
  const blob = await client.raw('GET', `/v2/${image.repository}/blobs/${layer.digest}`)
  const running = createHash('sha256')
  const tap = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      running.update(chunk)
      done(null, chunk)
    },
  })
  await pipeline(Readable.fromWeb(blob.body as never), tap, createWriteStream(path))
  if (finishDigest('sha256', running) !== layer.digest)
    throw new CommandError(`the bytes of ${name} are not what its digest says`)
}

async function describeFile(path: string): Promise<Pick<Descriptor, 'digest' | 'size'>> {
  const running = createHash('sha256')
  await pipeline(createReadStream(path), running)
  return { digest: finishDigest('sha256', running), size: (await stat(path)).size }
}

/** distribution-spec, "POST then PUT". */
async function pushBlob(
  client: Client,
  repository: string,
  digest: Digest,
  body: Buffer | Readable,
  size: number,
): Promise<void> {
  if (await isThere(client, repository, digest)) {
    if (body instanceof Readable) body.destroy()
    return
  }
  const begun = await client.raw('POST', `/v2/${repository}/blobs/uploads/`)
  const location = new URL(begun.headers.get('location') ?? '', client.server)
  location.searchParams.set('digest', digest)
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(size) }
  await client.upload('PUT', location.href, body, headers)
}

async function isThere(client: Client, repository: string, digest: Digest): Promise<boolean> {
  try {
    await client.raw('HEAD', `/v2/${repository}/blobs/${digest}`)
    return true
  } catch (error) {
    if (error instanceof ProblemError && error.problem.status === 404) return false
    throw error
  }
}

function readKey(path: string, parse: (pem: string) => KeyObject): KeyObject {
  try {
    const key = parse(readFileSync(path, 'utf8'))
    const isP256 = key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
    if (isP256 || key.asymmetricKeyType === 'ed25519') return key
  } catch (error) {
    throw new CommandError(`the key ${path} cannot be read: ${(error as Error).message}`)
  }
  throw new CommandError(`${path} is no Ed25519 and no ECDSA P-256 key`)
}
