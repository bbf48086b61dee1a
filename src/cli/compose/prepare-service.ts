import { createHash } from 'node:crypto'
import { CommandError } from '../client.ts'
import { logsFolder } from '../containers/pod-logs.ts'
import { clearImage, pullImage, type Pulled } from '../containers/pull-image.ts'
import { annotationsOf, containerConfig, podConfig } from '../containers/run-options.ts'
import { withHosts } from './hosts-files.ts'
import { labels } from './project-pods.ts'
import type { Service } from './read-project.ts'

/** All that is needed to start a service. */
export interface Prepared {
  readonly name: string
  readonly dependsOn: Service['dependsOn']
  readonly runtimeHandler: string
  readonly pod: ReturnType<typeof podConfig>
  readonly container: ReturnType<typeof containerConfig>
  /** Of what it is made from. */
  readonly hash: string
}

/**
 * The image of a service, cleared now: one that is here may have been withdrawn since, and would be refused only when
 * others have been taken down. Throws `CommandError` and `CriFailure`.
 */
export async function bringCleared(socket: string, { image, options }: Service): Promise<Pulled> {
  const runtime = { handler: options.handler, annotations: annotationsOf(options) }
  const here = options.pull === 'always' ? undefined : await clearImage(socket, image, runtime)
  if (here) return here
  if (options.pull === 'never')
    throw new CommandError(`there is no image ${image} on this node, and --pull is never`)
  return pullImage(socket, image, runtime)
}

export function prepareService(socket: string, project: string, service: Service, image: Pulled): Prepared {
  const { name, command, dependsOn, options: asked } = service
  const { imageRef, isolation } = image
  const needs = isolation !== '' && !asked.handler ? { isolation, ...asked } : asked
  const options = withHosts(needs, socket, project)
  const fullName = `${project}-${name}`
  const pod = podConfig(options, fullName, logsFolder(socket))
  const container = containerConfig(options, fullName, { ref: imageRef, named: service.image }, command)
  const runtimeHandler = options.handler ?? ''
  const hash = hashOf(runtimeHandler, pod, container)
  const own = { [labels.project]: project, [labels.service]: name, [labels.hash]: hash }
  return {
    name,
    dependsOn,
    runtimeHandler,
    pod: { ...pod, labels: { ...pod.labels, ...own } },
    container: { ...container, labels: { ...container.labels, ...own } },
    hash,
  }
}

/** Of what the agent is given, so with values of variables that are passed on; not of what is new for each pod. */
function hashOf(handler: string, pod: Prepared['pod'], container: Prepared['container']): string {
  const lasting = { ...pod, metadata: undefined, logDirectory: undefined }
  return createHash('sha256')
    .update(JSON.stringify([handler, lasting, container]))
    .digest('hex')
    .slice(0, 16)
}
