import { createReadStream, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { formatReference, parseImageName } from '../kernel/reference.ts'
import { isDigest, hexOf, algorithmOf, type Digest } from '../kernel/digest.ts'
import type { Client } from './client.ts'
import { CommandError, ProblemError } from './client.ts'
import type { Context } from './commands.ts'
import { print, printJson, progress } from './print.ts'

interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
}

interface Document {
  readonly config?: Descriptor
  readonly layers?: readonly Descriptor[]
  readonly manifests?: readonly Descriptor[]
}

/** `pratique push`: an OCI image layout, for machines without another client. */
export function pushCommand(program: Command, context: Context): void {
  program
    .command('push <layout> <image>')
    .description('push an OCI image layout folder')
    .action(async (layout: string, name: string) => {
      const image = parseImageName(name)
      const client = context.client()
      const index = readJson(join(layout, 'index.json')) as { manifests?: readonly Descriptor[] }
      const [root, ...others] = index.manifests ?? []
      if (!root || others.length > 0) {
        throw new CommandError(
          `${layout} has ${index.manifests?.length ?? 0} images in its index.json; one is expected`,
        )
      }
      const push = new LayoutPush(client, layout, image.repository)
      await push.manifest(root, formatReference(image.reference))
      push.end()
      if (context.isJson()) return printJson({ image: name, digest: root.digest })
      print(`Pushed ${name}\n${root.digest}`)
    })
}

class LayoutPush {
  readonly #client: Client
  readonly #layout: string
  readonly #repository: string
  readonly #bar: ReturnType<typeof progress>

  constructor(client: Client, layout: string, repository: string) {
    this.#client = client
    this.#layout = layout
    this.#repository = repository
    this.#bar = progress(`pushing to ${repository}`)
  }

  /** What a manifest refers to goes first. */
  async manifest(descriptor: Descriptor, reference: string): Promise<void> {
    const content = readFileSync(this.#pathOf(descriptor.digest))
    const document = JSON.parse(content.toString()) as Document
    for (const child of document.manifests ?? []) await this.manifest(child, child.digest)
    for (const blob of [document.config, ...(document.layers ?? [])]) if (blob) await this.#blob(blob)
    const path = `/v2/${this.#repository}/manifests/${reference}`
    await this.#client.upload('PUT', path, content, { 'content-type': descriptor.mediaType })
  }

  end(): void {
    this.#bar.end()
  }

  async #blob({ digest }: Descriptor): Promise<void> {
    if (await this.#isThere(digest)) return
    const begun = await this.#client.raw('POST', `/v2/${this.#repository}/blobs/uploads/`)
    const location = new URL(begun.headers.get('location') ?? '', this.#client.server)
    location.searchParams.set('digest', digest)
    const path = this.#pathOf(digest)
    const { size } = statSync(path)
    let done = 0
    const stream = createReadStream(path)
    stream.on('data', (chunk) => this.#bar.step((done += chunk.length), size))
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(size) }
    await this.#client.upload('PUT', location.href, size === 0 ? Buffer.alloc(0) : stream, headers)
  }

  async #isThere(digest: Digest): Promise<boolean> {
    try {
      await this.#client.raw('HEAD', `/v2/${this.#repository}/blobs/${digest}`)
      return true
    } catch (error) {
      if (error instanceof ProblemError && error.problem.status === 404) return false
      throw error
    }
  }

  #pathOf(digest: string): string {
    if (!isDigest(digest)) throw new CommandError(`${JSON.stringify(digest)} in the layout is not a digest`)
    return join(this.#layout, 'blobs', algorithmOf(digest), hexOf(digest))
  }
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new CommandError(`${path} cannot be read: ${(error as Error).message}`)
  }
}
