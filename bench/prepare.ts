import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Target } from './targets.ts'

const manifestType = 'application/vnd.oci.image.manifest.v1+json'

/** Pushes one small artifact as `latest`. Gives its digest and its config's, separated by a space. */
export async function pushManifest(target: Target, repository: string): Promise<string> {
  const config = JSON.stringify({ note: 'benchmark' })
  const configDigest = sha256(config)
  const upload = await call(target, 'POST', `/v2/${repository}/blobs/uploads/`)
  const end = new URL(upload.headers.get('location') ?? '', target.url)
  end.searchParams.set('digest', configDigest)
  await call(target, 'PUT', end.href, config)
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: { mediaType: 'application/vnd.example.benchmark', digest: configDigest, size: config.length },
    layers: [],
  })
  await call(target, 'PUT', `/v2/${repository}/manifests/latest`, manifest, manifestType)
  return `${sha256(manifest)} ${configDigest}`
}

/**
 * Gives a repository `count` tags of one manifest. They are written where each registry keeps them, since
 * pushing a hundred thousand would measure pushing.
 */
export async function manyTags(target: Target, repository: string, count: number): Promise<void> {
  const [digest = ''] = (await pushManifest(target, repository)).split(' ')
  const names = Array.from({ length: count }, (_, index) => `tag-${String(index).padStart(7, '0')}`)
  if (target.name === 'docker-registry') return writeTagFolders(target, repository, digest, names)
  const database = new DatabaseSync(join(target.folder, 'pratique.sqlite'))
  database.exec('pragma busy_timeout = 10000')
  const found = database.prepare('select id from repository where name = ?').get(repository) as { id: string }
  const insert = database.prepare(
    'insert into tag (repository_id, name, digest, updated_at) values (?, ?, ?, ?)',
  )
  database.exec('begin immediate')
  for (const name of names) insert.run(found.id, name, digest, Date.now())
  database.exec('commit')
  database.close()
}

function writeTagFolders(target: Target, repository: string, digest: string, names: readonly string[]): void {
  const tags = join(target.folder, 'data/docker/registry/v2/repositories', repository, '_manifests/tags')
  const hex = digest.slice('sha256:'.length)
  for (const name of names) {
    const current = join(tags, name, 'current')
    const index = join(tags, name, 'index/sha256', hex)
    mkdirSync(current, { recursive: true })
    mkdirSync(index, { recursive: true })
    writeFileSync(join(current, 'link'), digest)
    writeFileSync(join(index, 'link'), digest)
  }
}

function sha256(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`
}

async function call(
  target: Target,
  method: string,
  path: string,
  body?: string,
  type = 'application/octet-stream',
): Promise<Response> {
  const answer = await fetch(new URL(path, target.url), {
    method,
    ...(body === undefined ? {} : { body }),
    headers: {
      'content-type': type,
      ...(target.authorization ? { authorization: target.authorization } : {}),
    },
  })
  if (!answer.ok)
    throw new Error(`${target.name}: ${method} ${path}: ${answer.status} ${await answer.text()}`)
  return answer
}
