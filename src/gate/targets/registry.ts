import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { algorithmOf, digestOf, isDigest } from '../../kernel/digest.ts'
import { mediaTypes, type Descriptor } from '../../kernel/media-types.ts'
import { GateFailure } from '../failures.ts'
import { findImages, invalid, type BlobFile } from './layout-images.ts'
import { RegistryDoor } from '../../registry/offline.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'
import type { TargetKind } from './types.ts'

const maximumManifestBytes = 4 * 1024 * 1024
const maximumBlobBytes = 64 * 1024 ** 3
const manifestTypes = [
  mediaTypes.ociIndex,
  mediaTypes.ociManifest,
  mediaTypes.dockerManifestList,
  mediaTypes.dockerManifest,
].join(', ')

/** An image in any registry: `HOST/NAME:TAG` or `HOST/NAME@DIGEST`. */
export const registry: TargetKind = {
  name: 'registry',
  help: 'HOST/NAME:TAG or HOST/NAME@DIGEST in any registry, with the sign-in of docker or podman',
  // A name without a kind in front is one of our own server; only an explicit kind means another one.
  fits: async () => false,
  async open(location, options) {
    const { host, name, reference } = parseLocation(location)
    const door = await RegistryDoor.open(host, name)
    const { folder, close } = await makeTemporaryFolder('pratique-pull-')
    try {
      const { root, bytes } = await fetchManifest(door, reference)
      const images = await findImages(root, download(door, folder, new Map([[root.digest, bytes]])), options)
      return { kind: this.name, name: location, images, close }
    } catch (error) {
      await close()
      throw error
    }
  },
}

/** Host with an optional port, repository, and tag or digest (distribution-spec, "Pulling manifests"). */
function parseLocation(location: string): { host: string; name: string; reference: string } {
  const match =
    /^([A-Za-z0-9.-]+(?::\d{1,5})?)\/([a-z0-9._/-]{1,255}?)(?:@(sha(?:256|512):[0-9a-f]+)|:([A-Za-z0-9_][\w.-]{0,127}))?$/.exec(
      location,
    )
  if (!match) throw invalid(`${location} does not name an image as HOST/NAME:TAG or HOST/NAME@DIGEST`)
  return { host: match[1] as string, name: match[2] as string, reference: match[3] ?? match[4] ?? 'latest' }
}

async function fetchManifest(
  door: RegistryDoor,
  reference: string,
): Promise<{ root: Descriptor; bytes: Buffer }> {
  const answer = await door.get(`manifests/${reference}`, { accept: manifestTypes })
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer.body ?? []) {
    size += chunk.length
    if (size > maximumManifestBytes) throw invalid(`the manifest has more than ${maximumManifestBytes} bytes`)
    chunks.push(Buffer.from(chunk))
  }
  const bytes = Buffer.concat(chunks)
  const digest = digestOf(bytes, isDigest(reference) ? algorithmOf(reference) : 'sha256')
  if (isDigest(reference) && reference !== digest) {
    throw invalid(`the registry answered ${reference} with content of digest ${digest}`)
  }
  const mediaType = answer.headers.get('content-type') ?? mediaTypes.ociManifest
  return { root: { mediaType, digest, size }, bytes }
}

/** Fetches a blob, or a manifest of an index, into a file of its own when it is first needed. */
function download(door: RegistryDoor, folder: string, known: ReadonlyMap<string, Buffer>): BlobFile {
  const files = new Map<string, Promise<string>>()
  const fetchFile = async (digest: string): Promise<string> => {
    if (!isDigest(digest)) throw invalid(`${JSON.stringify(digest)} is not a digest`)
    const file = join(folder, digest.replace(':', '-'))
    const bytes = known.get(digest)
    const body = bytes ? Readable.from([bytes]) : await open(door, digest)
    await pipeline(body, limited(digest), createWriteStream(file, { flags: 'wx', mode: 0o600 }))
    return file
  }
  return (digest) => {
    const file = files.get(digest) ?? fetchFile(digest)
    files.set(digest, file)
    return file
  }
}

/** Children of an index are manifests, everything else is a blob; which one it is only the registry knows. */
async function open(door: RegistryDoor, digest: string): Promise<Readable> {
  const answer =
    (await door.find(`blobs/${digest}`)) ?? (await door.get(`manifests/${digest}`, { accept: manifestTypes }))
  if (!answer.body) throw new GateFailure('TARGET_UNREACHABLE', `the registry sent no content for ${digest}`)
  return Readable.fromWeb(answer.body as never)
}

function limited(digest: string): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > maximumBlobBytes) done(invalid(`${digest} has more than ${maximumBlobBytes} bytes`))
      else done(null, chunk)
    },
  })
}
