import type { RemoteRepository } from '../registry/offline.ts'
import { CommandError, readCredentials } from './client.ts'
import type { Context } from './commands.ts'

/** An image of the server, or of any registry. */
export interface OpenImage {
  readonly repository: RemoteRepository
  /** Tag or digest. */
  readonly reference: string
  /** The tag that the name has, also beside a digest. */
  readonly tag?: string
}

/**
 * Opens `NAME[:TAG][@DIGEST]` on the server, or `HOST/NAME…` in any registry: as docker reads names, a first part with
 * a dot or a port, or `localhost`, is a host. The sign-in is that of the server, or of docker and podman.
 */
export async function openImage(context: Context, text: string): Promise<OpenImage> {
  const { RemoteRepository } = await import('../registry/offline.ts')
  const { host, name, ...asked } = parse(text)
  const { server } = context.client()
  const serverHost = new URL(server).host
  if (host !== undefined && host !== serverHost) {
    return { repository: await RemoteRepository.open(host, name), ...asked }
  }
  const credentials = serverCredentials(server)
  const options = { server, ...(credentials ? { credentials } : {}) }
  return { repository: await RemoteRepository.open(serverHost, name, options), ...asked }
}

const grammar =
  /^(?:((?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|localhost|[A-Za-z0-9-]+(?=:\d))(?::\d{1,5})?)\/)?([a-z0-9._/-]{1,255}?)(?::([A-Za-z0-9_][\w.-]{0,127}))?(?:@(sha(?:256|512):[0-9a-f]+))?$/

function parse(text: string): { host: string | undefined; name: string; reference: string; tag?: string } {
  const [match, host, given = '', named, digest] = grammar.exec(text) ?? []
  if (match === undefined) {
    throw new CommandError(`${text} does not name an image as [HOST/]NAME[:TAG][@DIGEST]`)
  }
  const tag = named ?? (digest === undefined ? 'latest' : undefined)
  // As docker reads it: Docker Hub's own images have a folder that nobody writes.
  const isHub = host === 'docker.io' || host === 'index.docker.io'
  const name = isHub && !given.includes('/') ? `library/${given}` : given
  return { host, name, reference: digest ?? (tag as string), ...(tag === undefined ? {} : { tag }) }
}

/** The server takes a personal token as the password of any name. */
function serverCredentials(server: string): { username: string; password: string } | undefined {
  const { PRATIQUE_TOKEN: token, PRATIQUE_USERNAME: username, PRATIQUE_PASSWORD: password } = process.env
  if (token) return { username: username ?? 'token', password: token }
  if (username !== undefined && password !== undefined) return { username, password }
  const stored = readCredentials()
  return stored?.server === server ? { username: stored.username, password: stored.token } : undefined
}
