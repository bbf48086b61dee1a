import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, describe, test } from 'node:test'
import { pack } from 'tar-stream'
import { buildImage, makeTar, type LayerFiles } from '../../../test/fixtures/build-image.ts'
import { digestOf, hexOf } from '../../kernel/digest.ts'
import { mediaTypes } from '../../kernel/media-types.ts'
import { openTarget } from './index.ts'
import { isSibling } from '../../registry/offline.ts'
import { makeTemporaryFolder } from './temporary-folder.ts'

const folder = mkdtempSync(join(tmpdir(), 'pratique-targets-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const npm = (name: string): LayerFiles => ({
  [`srv/node_modules/${name}/package.json`]: JSON.stringify({ name, version: '1.0.0' }),
})
const options = { timeoutMs: 60_000 }

async function packagesOf(text: string): Promise<string[]> {
  const target = await openTarget(text, options)
  try {
    const inventories = await Promise.all(target.images.map(async (image) => image.readInventory()))
    return inventories.flatMap(({ packages }) => packages.map(({ name }) => name))
  } finally {
    await target.close()
  }
}

type Entry = Buffer | string | { readonly type: 'symlink' | 'link'; readonly linkname: string }

async function writeArchive(name: string, entries: Readonly<Record<string, Entry>>): Promise<string> {
  const archive = pack()
  const done = buffer(archive)
  for (const [path, entry] of Object.entries(entries)) {
    if (typeof entry === 'string' || Buffer.isBuffer(entry)) archive.entry({ name: path }, entry as string)
    else archive.entry({ name: path, ...entry })
  }
  archive.finalize()
  const file = join(folder, name)
  writeFileSync(file, await done)
  return file
}

/** A layout of documents and blobs; the first document is the image. */
function writeLayout(name: string, documents: readonly unknown[], blobs: Iterable<Buffer> = []): string {
  const texts = documents.map((one) => Buffer.from(JSON.stringify(one)))
  for (const bytes of [...texts, ...blobs]) {
    const path = join(folder, name, 'blobs/sha256', hexOf(digestOf(bytes)))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes)
  }
  const manifests = [{ mediaType: mediaTypes.ociIndex, digest: digestOf(texts[0] as Buffer), size: 1 }]
  writeFileSync(join(folder, name, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
  writeFileSync(join(folder, name, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  return join(folder, name)
}

describe('what docker save writes', () => {
  test('has a layer that is there twice as a link to the first one', async () => {
    const tar = await makeTar(npm('linked'))
    const diffId = digestOf(tar)
    const config = { os: 'linux', architecture: 'amd64', rootfs: { diff_ids: [diffId, diffId, diffId] } }
    const saved = [
      { Config: 'c.json', RepoTags: ['a:1'], Layers: ['b/layer.tar', 'a/layer.tar', 'd/layer.tar'] },
    ]
    const file = await writeArchive('linked.tar', {
      'b/layer.tar': { type: 'symlink', linkname: '../a/layer.tar' },
      'a/layer.tar': tar,
      'd/layer.tar': { type: 'link', linkname: 'a/layer.tar' },
      'c.json': JSON.stringify(config),
      'manifest.json': JSON.stringify(saved),
    })
    assert.deepEqual(await packagesOf(file), ['linked'])
  })

  test('is never read outside of the archive, whatever its links and names say', async () => {
    writeFileSync(join(folder, 'outside.json'), '{}')
    for (const linkname of [join(folder, 'outside.json'), `${'../'.repeat(20)}${folder}/outside.json`]) {
      const file = await writeArchive('outside.tar', {
        'c.json': { type: 'symlink', linkname },
        'manifest.json': JSON.stringify([{ Config: 'c.json', Layers: [] }]),
      })
      await assert.rejects(openTarget(file, options), /c\.json in the archive cannot be read/)
    }
  })

  test('is refused when docker would load another image than the layout beside it has', async () => {
    const [good, evil] = [
      await buildImage({ layers: [npm('good')] }),
      await buildImage({ layers: [npm('evil')] }),
    ]
    const configOf = (manifest: Buffer): string =>
      hexOf((JSON.parse(manifest.toString()) as { config: { digest: string } }).config.digest as never)
    const blobs = [...good.blobs, ...evil.blobs, [good.digest, good.manifest] as const]
    const entries = {
      'oci-layout': '{"imageLayoutVersion":"1.0.0"}',
      'index.json': JSON.stringify({
        manifests: [{ digest: good.digest, mediaType: good.mediaType, size: 1 }],
      }),
      ...Object.fromEntries(blobs.map(([digest, bytes]) => [`blobs/sha256/${hexOf(digest)}`, bytes])),
    }
    const saved = (image: typeof good): string =>
      JSON.stringify([{ Config: `blobs/sha256/${configOf(image.manifest)}`, Layers: [] }])
    const honest = await writeArchive('honest.tar', { ...entries, 'manifest.json': saved(good) })
    assert.deepEqual(await packagesOf(honest), ['good'])
    const lying = await writeArchive('lying.tar', { ...entries, 'manifest.json': saved(evil) })
    await assert.rejects(openTarget(lying, options), /an image that its layout does not have/)
  })
})

describe('an OCI layout', () => {
  test('pitfall 1: is refused when a document is an image and an index at once', async () => {
    const { manifest, blobs } = await buildImage({ layers: [npm('evil')] })
    const both = { ...(JSON.parse(manifest.toString()) as object), manifests: [] }
    const path = writeLayout('both', [both], blobs.values())
    await assert.rejects(openTarget(path, options), /an image and an index at once/)
  })

  test('pitfall 21: is refused when its indexes multiply', async () => {
    const documents: { manifests: { digest: string }[] }[] = [{ manifests: [] }]
    for (let depth = 0; depth < 4; depth++) {
      const digest = digestOf(Buffer.from(JSON.stringify(documents[0])))
      documents.unshift({ manifests: Array.from({ length: 100 }, () => ({ digest })) })
    }
    await assert.rejects(openTarget(writeLayout('bomb', documents), options), /more than 1000 manifests/)
  })

  test('with one image under two names is that image', async () => {
    const { manifest, blobs } = await buildImage({ layers: [npm('twice')] })
    const path = writeLayout('twice', [JSON.parse(manifest.toString())], blobs.values())
    const index = JSON.parse(readFileSync(join(path, 'index.json'), 'utf8')) as { manifests: unknown[] }
    writeFileSync(
      join(path, 'index.json'),
      JSON.stringify({ manifests: [...index.manifests, ...index.manifests] }),
    )
    assert.deepEqual(await packagesOf(path), ['twice'])
  })

  test('whose config names no diff-ids cannot be scanned', async () => {
    const { manifest, blobs } = await buildImage({ layers: [npm('bare')] })
    const document = JSON.parse(manifest.toString()) as { config: { digest: string } }
    const config = Buffer.from('{"os":"linux","architecture":"amd64"}')
    const path = writeLayout(
      'bare',
      [{ ...document, config: { ...document.config, digest: digestOf(config) } }],
      [config, ...blobs.values()],
    )
    const [image] = (await openTarget(path, options)).images
    await assert.rejects(async () => image?.readInventory(), { code: 'SCAN_FAILED' })
  })
})

describe('a foreign registry', () => {
  test('pitfall 14: the password goes to hosts of the same registered name only', () => {
    const cases: readonly [string, string, boolean][] = [
      ['auth.docker.io', 'registry-1.docker.io', true],
      ['gitlab.com', 'registry.gitlab.com', true],
      ['evil.example', 'registry.example.com', false],
      ['evil.co.uk', 'registry.co.uk', false],
      ['auth.shop.co.uk', 'registry.shop.co.uk', true],
      ['10.1.0.5', '192.168.0.5', false],
      ['com', 'registry.com', false],
    ]
    for (const [realm, host, isOwn] of cases) assert.equal(isSibling(realm, host), isOwn, `${realm} ${host}`)
  })

  test('is asked for a new token when the first one has ended, and shows the old one to nobody', async () => {
    const seen: string[] = []
    let tokens = 0
    const server = createServer((request, reply) => {
      const { authorization = 'none' } = request.headers
      seen.push(`${request.url?.split('?')[0]} ${authorization}`)
      if (request.url?.startsWith('/token')) {
        reply.end(JSON.stringify({ token: `t${++tokens}` }))
      } else if (authorization === `Bearer t${tokens}` && seen.length !== 4) {
        reply.end('{"manifests":[{"digest":"sha256:00"}]}')
      } else {
        const { port } = server.address() as AddressInfo
        reply.writeHead(401, { 'www-authenticate': `Bearer realm="http://127.0.0.1:${port}/token"` }).end()
      }
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const { port } = server.address() as AddressInfo
      const { RegistryDoor } = await import('../../registry/offline.ts')
      const door = await RegistryDoor.open(`127.0.0.1:${port}`, 'a')
      await (await door.get('manifests/1')).text()
      await (await door.get('manifests/1')).text()
    } finally {
      server.closeAllConnections()
      server.close()
    }
    assert.deepEqual(seen, [
      '/v2/a/manifests/1 none',
      '/token none',
      '/v2/a/manifests/1 Bearer t1',
      '/v2/a/manifests/1 Bearer t1',
      '/token none',
      '/v2/a/manifests/1 Bearer t2',
    ])
  })
})

test('what a killed process left behind is removed after a day', async () => {
  const [old, fresh] = ['old', 'fresh'].map((name) =>
    join(tmpdir(), `pratique-forgotten-${process.pid}-${name}`),
  )
  for (const path of [old, fresh]) mkdirSync(join(path as string, 'inside'), { recursive: true })
  utimesSync(old as string, 0, Date.now() / 1000 - 25 * 3_600)
  const { close } = await makeTemporaryFolder(`pratique-forgotten-${process.pid}-`)
  await close()
  assert.deepEqual([existsSync(old as string), existsSync(fresh as string)], [false, true])
  rmSync(fresh as string, { recursive: true })
})

test('what was put aside to read a target is gone when the process is told to stop', async () => {
  const module = join(import.meta.dirname, 'temporary-folder.ts')
  const script = `import { makeTemporaryFolder } from ${JSON.stringify(module)}
    console.log((await makeTemporaryFolder('pratique-stopped-')).folder); setInterval(() => {}, 1000)`
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, TMPDIR: folder },
    })
    await once(child.stdout, 'data')
    assert.equal(readdirSync(folder).filter((name) => name.startsWith('pratique-stopped-')).length, 1)
    child.kill(signal)
    assert.deepEqual(await once(child, 'exit'), [null, signal])
    assert.equal(readdirSync(folder).filter((name) => name.startsWith('pratique-stopped-')).length, 0)
  }
})
