import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { digestOf, hexOf } from '../../src/kernel/digest.ts'
import { buildImage, buildIndex, type BuiltImage } from '../fixtures/build-image.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { replaySignatures } from '../fixtures/replay-signatures.ts'
import {
  addSigner,
  askInProd,
  exportPolicy,
  makeKeySigner,
  type KeySigner,
} from '../fixtures/signing-policy.ts'
import { SigningTools } from '../fixtures/signing-tools.ts'
import { startContainerd, type Containerd } from '../fixtures/start-containerd.ts'
import { startProduct, type Product } from '../fixtures/start-product.ts'
import { findPeers, rootSkip } from './peer.ts'

const cases: readonly (readonly [image: string, refused: RegExp | undefined, about: string])[] = [
  ['prod/shop:bundle', undefined, 'signed by cosign 3 in a bundle'],
  ['prod/shop:skopeo', undefined, 'signed by skopeo'],
  ['prod/shop:index', undefined, 'of two platforms whose index is signed'],
  ['dev/shop:unsigned', undefined, 'unsigned where nothing is asked'],
  ['prod/shop:unsigned', /release: signed by 1 of release: unsigned/, 'unsigned'],
  ['prod/shop:stranger', /no trusted key made this signature/, 'signed with another key'],
  ['prod/shop:replayed', /the payload is about another image/, 'with the signature of another image'],
  ['prod/copy:skopeo', /not this repository/, 'copied with its signature from another repository'],
]

const program = join(import.meta.dirname, '../../bin/pratique')

/** What can go wrong on a node, and what its user is told then. `silent` is a server that never answers. */
const troubles: readonly {
  readonly about: string
  readonly change: (root: string, silent: string) => void
  readonly refused: RegExp
}[] = [
  {
    about: 'the verifier cannot reach the registry',
    change: (root) => changeNode(root, { server: 'http://127.0.0.1:2' }),
    refused: /127\.0\.0\.1:2 cannot be reached/,
  },
  {
    about: 'the registry keeps the verifier waiting',
    change: (root, silent) => changeNode(root, { server: silent, timeoutMs: 500 }),
    refused: /not verified within 500 ms/,
  },
  {
    about: 'containerd ends the verifier',
    change: (root, silent) => {
      changeNode(root, { server: silent, timeoutMs: 60_000 })
      addSetting(root, `${verifierSettings}per_verifier_timeout = "1s"\n`)
    },
    refused: /signal: killed/,
  },
  {
    about: 'the trust is not the server’s',
    change: (root) => {
      const path = join(root, 'etc/pratique/trust.json')
      const bundle = JSON.parse(readFileSync(path, 'utf8')) as { dsseEnvelope: { payload: string } }
      bundle.dsseEnvelope.payload = loosen(bundle.dsseEnvelope.payload)
      writeFileSync(path, JSON.stringify(bundle))
    },
    refused: /the trust of the server does not hold: no trusted key/,
  },
  {
    about: 'pratique is not there',
    change: (root) => {
      const path = join(root, 'opt/containerd/image-verifier/bin/10-pratique')
      writeFileSync(path, readFileSync(path, 'utf8').replaceAll(program, '/nowhere/pratique'))
    },
    refused: /pratique is not installed on this node/,
  },
  {
    about: 'the password of the node is wrong',
    change: (root) => {
      const account = { username: 'admin', password: 'not-this-one' }
      writeFileSync(join(root, 'etc/pratique/credentials.json'), JSON.stringify(account))
    },
    refused: /gave no token \(401\)/,
  },
]

const verifierSettings = '[plugins."io.containerd.image-verifier.v1.bindir"]\n'
const imageSettings = '[plugins."io.containerd.cri.v1.images"]\n'

/** Settings of others under which containerd asks no verifier, and says so only in its log or not at all. */
const waysAround: readonly {
  readonly about: string
  readonly change: (root: string) => void
  readonly told: RegExp
}[] = [
  ...[
    'use_local_image_pull = true',
    'max_concurrent_downloads = 5',
    'discard_unpacked_layers = true',
    'disable_snapshot_annotations = false',
    'image_pull_with_sync_fs = true',
  ].map((setting) => ({
    about: setting,
    change: (root: string) => addSetting(root, `${imageSettings}${setting}\n`),
    told: new RegExp(`PROBLEM.*${setting.split(' ', 1).join('')}`),
  })),
  {
    about: 'another folder of verifiers',
    change: (root) => addSetting(root, `${verifierSettings}bin_dir = "/opt/elsewhere"\n`),
    told: /PROBLEM.*\/opt\/elsewhere/,
  },
  {
    about: 'no verifier in the folder',
    change: (root) => rmSync(join(root, 'opt/containerd/image-verifier/bin/10-pratique')),
    told: /PROBLEM.*image-verifier\/bin/,
  },
]

describe('containerd with the exported verifier', () => {
  const { skip: missing, paths } = findPeers('cosign', 'skopeo-1.22', 'containerd-2')
  const skip = missing || rootSkip()
  let product: Product
  let folder: string
  let node: string
  let containerd: Containerd
  let silent: { readonly url: string; close(): void }

  before(async () => {
    if (skip) return
    product = await startProduct()
    folder = mkdtempSync(join(tmpdir(), 'pratique-node-'))
    node = join(folder, 'node')
    const key = makeKeySigner('release')
    await fill(product, new SigningTools(paths, product), key)
    await addSigner(product, key.signer)
    await askInProd(product, { require: [{ name: 'release', signers: ['release'] }] })
    await exportPolicy(product, 'containerd', node, '--program', program)
    writeFileSync(join(node, 'etc/pratique/credentials.json'), JSON.stringify(login()), { mode: 0o600 })
    const settings = 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n'
    writeFileSync(join(node, 'etc/containerd/config.toml'), settings)
    containerd = await start(node)
    silent = await startSilentServer()
  })
  after(async () => {
    if (skip) return
    await containerd?.stop()
    silent?.close()
    await product.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  for (const way of ['pull', 'pullByCri'] as const) {
    for (const [image, refused, about] of cases) {
      const name = `${way === 'pull' ? 'ctr' : 'the kubelet'} ${refused ? 'cannot pull' : 'pulls'} an image ${about}`
      test(name, { skip }, async () => {
        const { isPulled, message } = await containerd[way](`${product.host}/${image}`)
        assert.equal(isPulled, refused === undefined, message)
        if (refused) assert.match(message, refused)
      })
    }
  }

  for (const { about, change, refused } of troubles) {
    test(`a signed image cannot be pulled when ${about}`, { skip }, async () => {
      await onAnother(change, async (other) => {
        for (const way of ['pull', 'pullByCri'] as const) {
          const { isPulled, message } = await other[way](`${product.host}/prod/shop:bundle`)
          assert.ok(!isPulled)
          assert.match(message, refused)
        }
      })
    })
  }

  for (const { about, change, told } of waysAround) {
    test(`the doctor finds that the kubelet pulls unverified images with ${about}`, { skip }, async () => {
      await onAnother(change, async (other, root) => {
        assert.deepEqual(await other.pullByCri(`${product.host}/prod/shop:unsigned`), {
          isPulled: true,
          message: '',
        })
        const { code, stdout } = await product.cli(['doctor', 'node', '--root', root])
        assert.equal(code, 1, stdout)
        assert.match(stdout.replaceAll(/\s+/g, ' '), told)
      })
    })
  }

  test('the doctor finds nothing wrong with what was exported', { skip }, async () => {
    const { stdout } = await product.cli(['doctor', 'node', '--root', node])
    assert.doesNotMatch(stdout, /PROBLEM/)
  })

  test(
    'a node that takes only the server’s word pulls what was promoted, and no more',
    { skip },
    async () => {
      const promoted = await product.cli(['promote', 'dev/app:1', '--to', 'prod'])
      assert.equal(promoted.code, 0, promoted.stdout + promoted.stderr)
      const change = (root: string): Promise<unknown> =>
        exportPolicy(product, 'containerd', root, '--program', program, '--signer', 'server', '--force')
      await onAnother(change, async (other) => {
        for (const way of ['pull', 'pullByCri'] as const) {
          const app = await other[way](`${product.host}/prod/app:1`)
          assert.ok(app.isPulled, app.message)
          const direct = await other[way](`${product.host}/prod/shop:bundle`)
          assert.ok(!direct.isPulled)
          assert.match(direct.message, /release is not asked here/)
        }
      })
    },
  )

  /** Runs containerd on a copy of the node to which something was done. */
  async function onAnother(
    change: (root: string, silent: string) => unknown,
    use: (other: Containerd, root: string) => Promise<void>,
  ): Promise<void> {
    const root = mkdtempSync(join(folder, 'other-'))
    cpSync(node, root, { recursive: true })
    await change(root, silent.url)
    const other = await start(root)
    try {
      await use(other, root)
    } finally {
      await other.stop()
    }
  }

  function login(): { username: string; password: string } {
    return { username: 'admin', password: product.password }
  }

  function start(root: string): Promise<Containerd> {
    return startContainerd({ program: paths['containerd-2'], node: root, login: login() })
  }
})

function changeNode(root: string, changes: object): void {
  const path = join(root, 'etc/pratique/node.json')
  const config = JSON.parse(readFileSync(path, 'utf8')) as object
  writeFileSync(path, JSON.stringify({ ...config, ...changes }))
}

/** A statement of trust that asks for less and is about itself, as it has to be. */
function loosen(payload: string): string {
  const statement = JSON.parse(Buffer.from(payload, 'base64').toString()) as {
    subject: readonly { readonly digest: { sha256: string } }[]
    predicate: object
  }
  const predicate = JSON.stringify(statement.predicate).replaceAll('"enforce"', '"audit"')
  for (const { digest } of statement.subject) digest.sha256 = hexOf(digestOf(predicate))
  const changed = { ...statement, predicate: JSON.parse(predicate) as unknown }
  return Buffer.from(JSON.stringify(changed)).toString('base64')
}

/** Settings that are read after those that were exported. */
function addSetting(root: string, toml: string): void {
  writeFileSync(join(root, 'etc/containerd/conf.d/20-local.toml'), `version = 3\n${toml}`)
}

/** A server that takes connections and never answers. */
async function startSilentServer(): Promise<{ readonly url: string; close(): void }> {
  const connections = new Set<Socket>()
  const server = createServer((connection) => connections.add(connection.on('error', () => {})))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.close()
      for (const connection of connections) connection.destroy()
    },
  }
}

async function fill(product: Product, tools: SigningTools, key: KeySigner): Promise<void> {
  const target = { url: product.url, authorization: product.basic() }
  const push = async (name: string, image?: BuiltImage): Promise<BuiltImage> => {
    const [repository = '', tag = ''] = name.split(':')
    const pushed = image ?? (await buildImage({ layers: [{ 'name.txt': name }] }))
    await pushImage(target, repository, tag, pushed)
    return pushed
  }
  const sign = async ({ digest }: BuiltImage, by = key, repository = 'prod/shop'): Promise<void> => {
    await tools.signWithCosign('cosign', by, `${repository}@${digest}`)
  }
  await push('dev/shop:unsigned')
  await push('prod/shop:unsigned')
  await sign(await push('dev/app:1'), key, 'dev/app')
  await sign(await push('prod/shop:bundle'))
  await sign(await push('prod/shop:stranger'), makeKeySigner('stranger'))
  const platforms = [await push('prod/shop:amd64'), await push('prod/shop:arm64')]
  await sign(await push('prod/shop:index', buildIndex(platforms)))

  const signed = await push('prod/shop:skopeo')
  await tools.signWithSkopeo('skopeo-1.22', key, 'prod/shop:skopeo')
  await push('prod/copy:skopeo', signed)
  const from = { repository: 'prod/shop', image: signed }
  await replaySignatures(target, from, { repository: 'prod/copy', image: signed })
  await replaySignatures(target, from, { repository: 'prod/shop', image: await push('prod/shop:replayed') })
}
