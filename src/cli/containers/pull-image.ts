import { PullDisplay } from './show-pull.ts'

/** What a pull came to. */
export interface Pulled {
  readonly imageRef: string
  /** How well the policy asks it to be isolated; empty when it does not say. */
  readonly isolation: string
}

/** What a pod says of its runtime. */
export interface RuntimeChoice {
  readonly handler?: string | undefined
  readonly annotations?: Readonly<Record<string, string>>
}

/** Pulls through the agent and shows how far it is. Throws `CriFailure`. */
export async function pullImage(socket: string, image: string, runtime: RuntimeChoice = {}): Promise<Pulled> {
  const { pullThroughAgent, CriFailure } = await import('../../agent/serve.ts')
  const display = new PullDisplay()
  const { PRATIQUE_USERNAME: username, PRATIQUE_PASSWORD: password } = process.env
  const request = {
    image,
    runtimeHandler: runtime.handler ?? '',
    annotations: runtime.annotations ?? {},
    ...(username && password ? { username, password } : {}),
  }
  for await (const event of pullThroughAgent(socket, request)) {
    if (event.imageRef === '') display.take(event)
    else {
      display.end()
      return { imageRef: event.imageRef, isolation: event.isolation }
    }
  }
  throw new CriFailure('UNKNOWN', `the pull of ${image} ended without a result`)
}

/**
 * Has an image cleared as it is where its pod would go, without a pull; undefined when it is not there. Throws
 * `CriFailure`, also when there is no such runtime.
 */
export async function clearImage(
  socket: string,
  image: string,
  { handler: runtimeHandler = '', annotations = {} }: RuntimeChoice = {},
): Promise<Pulled | undefined> {
  const { clearThroughAgent } = await import('../../agent/serve.ts')
  const cleared = await clearThroughAgent(socket, { image, runtimeHandler, annotations })
  return cleared.imageRef === '' ? undefined : cleared
}
