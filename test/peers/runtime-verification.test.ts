import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { buildImage, buildIndex, type BuiltImage } from '../fixtures/build-image.ts'
import { onNode } from '../fixtures/on-node.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { replaySignatures } from '../fixtures/replay-signatures.ts'
import {
  addSigner,
  askInProd,
  exportPolicy,
  makeKeySigner,
  type KeySigner,
} from '../fixtures/signing-policy.ts'
import { SigningTools, type PrivateKeyPem } from '../fixtures/signing-tools.ts'
import { runToEnd, startProduct, type Product, type Ran } from '../fixtures/start-product.ts'
import { findPeers, rootSkip } from './peer.ts'

/** What becomes of an image under the policy: its signature is asked for in `prod/**`, and bound to the repository. */
const cases: readonly (readonly [image: string, refused: RegExp | undefined, about: string])[] = [
  ['prod/shop:skopeo', undefined, 'signed by skopeo'],
  ['prod/shop:cosign', undefined, 'signed by cosign 2.5, which names no tag'],
  ['prod/shop:index', undefined, 'of two platforms, both signed'],
  ['dev/shop:unsigned', undefined, 'unsigned where nothing is asked'],
  ['prod/shop:unsigned', /no signature exists/, 'unsigned'],
  ['prod/shop:stranger', /verification failed: invalid signature/, 'signed with another key'],
  [
    'prod/shop:replayed',
    /Signature for digest sha256:\w+ does not match/,
    'with the signature of another image',
  ],
  [
    'prod/copy:skopeo',
    /Signature for identity \S+ is not accepted/,
    'copied with its signature from another repository',
  ],
  ['prod/shop:bundle', /no signature exists/, 'signed by cosign 3 in a bundle only'],
  ['prod/shop:part', /no signature exists/, 'of two platforms, of which only their index is signed'],
]

describe('with the exported policy', () => {
  const { skip: missing, paths } = findPeers('cosign', 'cosign-2.5', 'skopeo-1.18', 'skopeo-1.22', 'podman-5')
  const skip = missing || rootSkip()
  let product: Product
  let folder: string
  let key: KeySigner

  before(async () => {
    if (skip) return
    product = await startProduct()
    folder = mkdtempSync(join(tmpdir(), 'pratique-runtimes-'))
    key = makeKeySigner('release')
    await fill(product, new SigningTools(paths, product), key)
    await addSigner(product, key.signer)
    for (const bindReference of ['tag', 'repository']) {
      await askInProd(product, { bindReference, require: [{ name: 'release', signers: ['release'] }] })
      await exportPolicy(product, 'containers', join(folder, bindReference))
    }
    await exportPolicy(product, 'containers', join(folder, 'server'), '--signer', 'server')
    await exportPolicy(product, 'crio', join(folder, 'crio'), '--namespace', 'shop=prod/shop')
    const promoted = await product.cli(['promote', 'dev/app:1', '--to', 'prod'])
    assert.equal(promoted.code, 0, promoted.stdout + promoted.stderr)
  })
  after(async () => {
    if (skip) return
    await product.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const runtimes = {
    'skopeo 1.18': (root: string, image: string) => skopeo(paths['skopeo-1.18'], root, image),
    'skopeo 1.22': (root: string, image: string) => skopeo(paths['skopeo-1.22'], root, image),
    'podman 5': podman,
  }

  for (const [runtime, pull] of Object.entries(runtimes)) {
    for (const [image, refused, about] of cases) {
      test(`${runtime} ${refused ? 'refuses' : 'accepts'} an image ${about}`, { skip }, async () => {
        const { code, stderr } = await pull(join(folder, 'repository'), image)
        assert.equal(code === 0, refused === undefined, stderr)
        if (refused) assert.match(stderr, refused)
      })
    }

    test(`${runtime} refuses a signed image under another tag where the tag is bound`, { skip }, async () => {
      const root = join(folder, 'tag')
      assert.equal((await pull(root, 'prod/shop:skopeo')).code, 0)
      assert.match((await pull(root, 'prod/shop:moved')).stderr, /identity \S+ is not accepted/)
      assert.match((await pull(root, 'prod/shop:cosign')).stderr, /identity \S+ is not accepted/)
    })

    test(`${runtime} that takes only the server’s word accepts what was promoted`, { skip }, async () => {
      const root = join(folder, 'server')
      const app = await pull(root, 'prod/app:1')
      assert.equal(app.code, 0, app.stderr)
      assert.match((await pull(root, 'prod/shop:skopeo')).stderr, /invalid signature/)
    })
  }

  test(
    'CRI-O’s policy of a namespace asks what is asked everywhere, and leaves out the rest',
    { skip },
    async () => {
      const root = join(folder, 'crio')
      // It reads this file in place of the global one.
      renameSync(join(root, 'etc/crio/policies/shop.json'), join(root, 'etc/containers/policy.json'))
      const pull = runtimes['skopeo 1.22']
      assert.equal((await pull(root, 'prod/shop:skopeo')).code, 0)
      assert.match((await pull(root, 'prod/shop:unsigned')).stderr, /no signature exists/)
      for (const elsewhere of ['prod/app:1', 'dev/shop:unsigned']) {
        assert.match((await pull(root, elsewhere)).stderr, /rejected by policy/)
      }
    },
  )

  function skopeo(program: string, root: string, image: string): Promise<Ran> {
    const to = `dir:${mkdtempSync(join(folder, 'pulled-'))}`
    const login = ['--src-creds', `admin:${product.password}`]
    return run(onNode(root, [program, 'copy', ...login, `docker://${product.host}/${image}`, to]))
  }

  function podman(root: string, image: string): Promise<Ran> {
    const program = paths['podman-5']
    const store = ['--root', join(folder, 'store'), '--runroot', join(folder, 'store-run')]
    const pull = ['pull', '--creds', `admin:${product.password}`, `${product.host}/${image}`]
    const itsRoot = join(dirname(program), '../..')
    return run(onNode(root, [program, ...store, '--storage-driver', 'vfs', ...pull], itsRoot))
  }

  function run([program = '', ...args]: readonly string[]): Promise<Ran> {
    return runToEnd(program, args, { HOME: folder, PODMAN_IGNORE_CGROUPSV1_WARNING: '1' })
  }
})

/** Pushes the images of the cases, and signs them as they say. */
async function fill(product: Product, tools: SigningTools, key: PrivateKeyPem): Promise<void> {
  const target = { url: product.url, authorization: product.basic() }
  const push = async (name: string, image?: BuiltImage): Promise<BuiltImage> => {
    const [repository = '', tag = ''] = name.split(':')
    const pushed = image ?? (await buildImage({ layers: [{ 'name.txt': name }] }))
    await pushImage(target, repository, tag, pushed)
    return pushed
  }
  const pushIndex = async (name: string): Promise<BuiltImage[]> => {
    const platforms = [await push(`${name}-amd64`), await push(`${name}-arm64`)]
    return [await push(name, buildIndex(platforms)), ...platforms]
  }
  await push('dev/shop:unsigned')
  await push('prod/shop:unsigned')
  const app = await push('dev/app:1')
  await tools.signWithCosign('cosign-2.5', key, `dev/app@${app.digest}`)

  const signed = await push('prod/shop:skopeo')
  await tools.signWithSkopeo('skopeo-1.22', key, 'prod/shop:skopeo')
  await push('prod/shop:moved', signed)
  await push('prod/copy:skopeo', signed)
  const from = { repository: 'prod/shop', image: signed }
  await replaySignatures(target, from, { repository: 'prod/copy', image: signed })
  const other = await push('prod/shop:replayed')
  await replaySignatures(target, from, { repository: 'prod/shop', image: other })

  const signWithCosign = async (images: readonly BuiltImage[], by = key): Promise<void> => {
    for (const { digest } of images) await tools.signWithCosign('cosign-2.5', by, `prod/shop@${digest}`)
  }
  await signWithCosign([await push('prod/shop:cosign')])
  await signWithCosign([await push('prod/shop:stranger')], makeKeySigner('stranger'))
  await signWithCosign(await pushIndex('prod/shop:index'))
  await signWithCosign((await pushIndex('prod/shop:part')).slice(0, 1))
  const bundle = await push('prod/shop:bundle')
  await tools.signWithCosign('cosign', key, `prod/shop@${bundle.digest}`)
}
