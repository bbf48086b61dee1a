import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { buildImage } from '../fixtures/build-image.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { runToEnd, startProduct, type Product, type Ran } from '../fixtures/start-product.ts'
import { findPeers } from './peer.ts'

describe('the SBOM attestation of a scanned image', () => {
  const { skip, paths } = findPeers('cosign')
  let product: Product
  let image: string

  before(async () => {
    if (skip) return
    product = await startProduct()
    const built = await buildImage({
      layers: [{ 'app/node_modules/minimist/package.json': '{"name":"minimist","version":"1.2.8"}' }],
    })
    await pushImage({ url: product.url, authorization: product.basic() }, 'dev/attested', '1', built)
    assert.equal((await product.cli(['scan', 'dev/attested:1'])).code, 0)
    const { stdout } = await product.cli(['signer', 'server-key'])
    writeFileSync(join(product.folder, 'server.pub'), stdout)
    image = `${new URL(product.url).host}/dev/attested:1`
    const login = ['login', new URL(product.url).host, '-u', 'admin', '-p', product.password]
    const signedIn = await runToEnd(paths.cosign, login, { HOME: product.folder })
    assert.equal(signedIn.code, 0, signedIn.stderr)
  })
  after(async () => {
    if (!skip) await product.stop()
  })

  const verify = (key: string, type = 'cyclonedx'): Promise<Ran> =>
    runToEnd(
      paths.cosign,
      [
        'verify-attestation',
        '--key',
        join(product.folder, key),
        '--type',
        type,
        '--insecure-ignore-tlog=true',
        '--allow-http-registry',
        image,
      ],
      { HOME: product.folder },
    )

  test('is verified by cosign with the server’s key, and holds the packages', { skip }, async () => {
    const { code, stdout, stderr } = await verify('server.pub')
    assert.equal(code, 0, stderr)
    const { payload } = JSON.parse(stdout.split('\n')[0] ?? '') as { payload: string }
    const statement = JSON.parse(Buffer.from(payload, 'base64').toString()) as {
      predicate: { components: { name: string }[] }
    }
    assert.ok(statement.predicate.components.some(({ name }) => name === 'minimist'))
  })

  test('is refused by cosign with another key', { skip }, async () => {
    const { generateKeyPairSync } = await import('node:crypto')
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    writeFileSync(join(product.folder, 'other.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
    assert.notEqual((await verify('other.pub')).code, 0)
  })

  test('is made once, however often the image is scanned', { skip }, async () => {
    const count = async (): Promise<number> => {
      const type = encodeURIComponent('application/vnd.dev.sigstore.bundle.v0.3+json')
      const { digest } = (await product.api('GET', '/api/v1/verdict?image=dev/attested:1')).body as {
        digest: string
      }
      const answer = await fetch(`${product.url}/v2/dev/attested/referrers/${digest}?artifactType=${type}`, {
        headers: { authorization: product.basic() },
      })
      return ((await answer.json()) as { manifests: unknown[] }).manifests.length
    }
    assert.equal(await count(), 1)
    assert.equal((await product.cli(['scan', 'dev/attested:1', '--again'])).code, 0)
    assert.equal(await count(), 1)
  })
})
