import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startProduct, runToEnd, type Product, type Ran } from '../fixtures/start-product.ts'
import { writeOciLayout } from '../fixtures/write-oci-layout.ts'
import { findPeers, rootSkip } from './peer.ts'

let product: Product
let folder: string
let layout: string

before(async () => {
  product = await startProduct()
  folder = mkdtempSync(join(tmpdir(), 'pratique-clients-'))
  layout = join(folder, 'layout')
  await writeOciLayout(layout, [
    { 'etc/os-release': 'ID=scratchy\nVERSION_ID=1\nPRETTY_NAME="Scratchy 1"\n', 'hello.txt': 'hello\n' },
    { 'app/data.bin': 'x'.repeat(300_000) },
  ])
})

after(async () => {
  await product.stop()
  rmSync(folder, { recursive: true, force: true })
})

describe('skopeo', () => {
  const { skip, paths } = findPeers('skopeo')

  test('copies an image in and back out byte for byte', { skip }, async () => {
    await succeeds(skopeo(['copy', ...toUs, `oci:${layout}:latest`, image('dev/skopeo:1')]))
    await succeeds(skopeo(['copy', ...fromUs, image('dev/skopeo:1'), `oci:${folder}/back:latest`]))
    assert.deepEqual(blobsOf(`${folder}/back`), blobsOf(layout))
  })

  test('inspects, lists tags and deletes', { skip }, async () => {
    await succeeds(skopeo(['copy', ...toUs, `oci:${layout}:latest`, image('dev/skopeo:gone')]))
    const { stdout } = await succeeds(skopeo(['list-tags', ...tls, ...login, image('dev/skopeo')]))
    assert.ok((JSON.parse(stdout) as { Tags: string[] }).Tags.includes('gone'))
    await succeeds(skopeo(['delete', ...tls, ...login, image('dev/skopeo:gone')]))
    assert.notEqual((await skopeo(['inspect', ...tls, ...login, image('dev/skopeo:gone')])).code, 0)
  })

  test('copies as Docker schema 2', { skip }, async () => {
    const v2s2 = ['copy', '--format', 'v2s2', ...toUs]
    await succeeds(skopeo([...v2s2, `oci:${layout}:latest`, image('dev/skopeo:docker')]))
    const { stdout } = await succeeds(
      skopeo(['inspect', '--raw', ...tls, ...login, image('dev/skopeo:docker')]),
    )
    assert.match(stdout, /vnd\.docker\.distribution\.manifest\.v2\+json/)
  })

  test('is refused with a wrong password', { skip }, async () => {
    const wrong = ['--creds', 'admin:wrong']
    const { code, stderr } = await skopeo(['inspect', ...tls, ...wrong, image('dev/skopeo:1')])
    assert.notEqual(code, 0)
    assert.match(stderr, /unauthorized|invalid username|authentication required/i)
  })

  const skopeo = (args: readonly string[]): Promise<Ran> => runToEnd(paths.skopeo, args)
  const tls = ['--tls-verify=false']
  const login = ['--creds', 'admin:harbour-master-1']
  const toUs = ['--dest-tls-verify=false', '--dest-creds', 'admin:harbour-master-1']
  const fromUs = ['--src-tls-verify=false', '--src-creds', 'admin:harbour-master-1']
  const image = (name: string): string => `docker://${product.host}/${name}`
})

describe('crane', () => {
  const { skip, paths } = findPeers('crane')

  test('logs in, pushes, lists, copies, pulls and deletes', { skip }, async () => {
    const crane = (...args: string[]): Promise<Ran> => succeeds(runToEnd(paths.crane, args, home()))
    await crane('auth', 'login', product.host, '-u', 'admin', '-p', product.password)
    await crane('push', '--insecure', layout, `${product.host}/dev/crane:1`)
    await crane('copy', '--insecure', `${product.host}/dev/crane:1`, `${product.host}/dev/crane-copy:2`)
    assert.equal((await crane('ls', '--insecure', `${product.host}/dev/crane-copy`)).stdout.trim(), '2')
    const digest = (await crane('digest', '--insecure', `${product.host}/dev/crane:1`)).stdout.trim()
    await crane(
      'pull',
      '--insecure',
      '--format',
      'oci',
      `${product.host}/dev/crane@${digest}`,
      `${folder}/crane`,
    )
    assert.deepEqual(blobsOf(`${folder}/crane`), blobsOf(layout))
    assert.match((await crane('catalog', '--insecure', product.host)).stdout, /dev\/crane-copy/)
    await crane('delete', '--insecure', `${product.host}/dev/crane@${digest}`)
  })
})

describe('oras', () => {
  const { skip, paths } = findPeers('oras')

  test('pushes an artifact, attaches another to it and discovers it', { skip }, async () => {
    const work = mkdtempSync(join(folder, 'oras-'))
    const oras = (...args: string[]): Promise<Ran> =>
      succeeds(runToEnd(paths.oras, args, home(), { cwd: work }))
    writeFileSync(join(work, 'chart.txt'), 'a chart')
    writeFileSync(join(work, 'note.txt'), 'a note about the chart')
    await oras('login', '--plain-http', product.host, '-u', 'admin', '-p', product.password)
    const target = `${product.host}/dev/chart:1`
    await oras(
      'push',
      '--plain-http',
      target,
      '--artifact-type',
      'application/vnd.example.chart',
      'chart.txt',
    )
    await oras(
      'attach',
      '--plain-http',
      target,
      '--artifact-type',
      'application/vnd.example.note',
      'note.txt',
    )
    const { stdout } = await oras('discover', '--plain-http', '--format', 'json', target)
    assert.match(stdout, /application\/vnd\.example\.note/)
    mkdirSync(join(work, 'out'))
    await oras('pull', '--plain-http', '-o', 'out', target)
    assert.equal(readFileSync(join(work, 'out/chart.txt'), 'utf8'), 'a chart')
  })
})

describe('buildah and podman', () => {
  const { skip, paths } = findPeers('buildah', 'podman')

  test('build an image, push it, and pull it from another store', { skip: skip || rootSkip() }, async () => {
    const store = (name: string): string[] => [
      '--root',
      join(folder, name),
      '--runroot',
      join(folder, `${name}-run`),
      '--storage-driver',
      'vfs',
    ]
    const context = mkdtempSync(join(folder, 'context-'))
    writeFileSync(join(context, 'file'), 'built')
    writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nCOPY file /file\nLABEL made=by-buildah\n')
    const name = `${product.host}/dev/buildah:1`
    const login = ['--tls-verify=false', '--creds', `admin:${product.password}`]
    const build = ['bud', '--isolation', 'chroot', '-t', name, context]
    await succeeds(runToEnd(paths.buildah, [...store('buildah'), ...build]))
    await succeeds(runToEnd(paths.buildah, [...store('buildah'), 'push', ...login, name]))
    await succeeds(runToEnd(paths.podman, [...store('podman'), 'pull', ...login, name]))
    const inspect = ['image', 'inspect', '--format', '{{.Labels.made}}', name]
    const { stdout } = await succeeds(runToEnd(paths.podman, [...store('podman'), ...inspect]))
    assert.equal(stdout.trim(), 'by-buildah')
  })
})

describe('the Docker client', () => {
  test('docker login: challenge, token with the account, and the token opens the door', async () => {
    const challenged = await fetch(`${product.url}/v2/`)
    assert.equal(challenged.status, 401)
    assert.equal(challenged.headers.get('docker-distribution-api-version'), 'registry/2.0')
    const { realm, service } = readChallenge(challenged)
    const query = `account=admin&client_id=docker&offline_token=true&service=${encodeURIComponent(service)}`
    const answer = await fetch(`${realm}?${query}`, { headers: { authorization: product.basic() } })
    assert.equal(answer.status, 200)
    const { token } = (await answer.json()) as { token: string }
    const entered = await fetch(`${product.url}/v2/`, { headers: { authorization: `Bearer ${token}` } })
    assert.equal(entered.status, 200)
  })

  test('docker login with a wrong password gets 401 from the token endpoint', async () => {
    const { realm, service } = readChallenge(await fetch(`${product.url}/v2/`))
    const answer = await fetch(`${realm}?account=admin&service=${encodeURIComponent(service)}`, {
      headers: { authorization: product.basic('admin', 'wrong') },
    })
    assert.equal(answer.status, 401)
  })

  test('docker pull: the scope it is challenged for is the scope that lets it in', async () => {
    const url = `${product.url}/v2/dev/skopeo/tags/list`
    const challenged = await fetch(url)
    assert.equal(challenged.status, 401)
    const { realm, service, scope } = readChallenge(challenged)
    assert.equal(scope, 'repository:dev/skopeo:pull')
    const answer = await fetch(`${realm}?service=${encodeURIComponent(service)}&scope=${scope}`, {
      headers: { authorization: product.basic() },
    })
    const { token, expires_in: expiresIn } = (await answer.json()) as { token: string; expires_in: number }
    assert.ok(expiresIn >= 60)
    const { status } = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
    assert.ok(status === 200 || status === 404, `got ${status}`)
  })
})

function readChallenge(answer: Response): { realm: string; service: string; scope: string } {
  const header = answer.headers.get('www-authenticate') ?? ''
  const value = (name: string): string => new RegExp(`${name}="([^"]*)"`).exec(header)?.[1] ?? ''
  return { realm: value('realm'), service: value('service'), scope: value('scope') }
}

function home(): Record<string, string> {
  return { HOME: folder, DOCKER_CONFIG: join(folder, 'docker') }
}

async function succeeds(running: Promise<Ran>): Promise<Ran> {
  const ran = await running
  assert.equal(ran.code, 0, `${ran.stdout}\n${ran.stderr}`)
  return ran
}

/** Names and contents of all blobs of an OCI layout. */
function blobsOf(path: string): Record<string, string> {
  const blobs = join(path, 'blobs/sha256')
  return Object.fromEntries(
    readdirSync(blobs)
      .sort()
      .map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(join(blobs, name)))
          .digest('hex'),
      ]),
  )
}
