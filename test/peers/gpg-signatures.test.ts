import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { buildImage, buildIndex } from '../fixtures/build-image.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { runToEnd, startProduct, type Product, type Ran } from '../fixtures/start-product.ts'
import { writeOciLayout } from '../fixtures/write-oci-layout.ts'
import { findPeers, rootSkip } from './peer.ts'

const { skip, paths } = findPeers('skopeo', 'gpg', 'gpgconf')

/** An OpenPGP key of its own, without a passphrase, in a home of its own. */
interface Key {
  readonly name: string
  readonly fingerprint: string
  readonly publicKeyFile: string
}

interface Signature {
  readonly schemaVersion: number
  readonly name: string
  readonly type: string
  readonly content: string
}

describe('OpenPGP signatures of this Debian', { skip }, () => {
  let product: Product
  let folder: string
  let gnupgHome: string
  let release: Key
  let stranger: Key

  before(async () => {
    product = await startProduct()
    folder = mkdtempSync(join(tmpdir(), 'pratique-gpg-'))
    gnupgHome = join(folder, 'gnupg')
    mkdirSync(gnupgHome, { mode: 0o700 })
    release = await makeKey('release', 'rsa3072')
    stranger = await makeKey('stranger', 'ed25519')
    await writeOciLayout(join(folder, 'layout'), [{ 'hello.txt': 'hello\n' }])
    await writeOciLayout(join(folder, 'other'), [{ 'hello.txt': 'another\n' }])
  })
  after(async () => {
    await runToEnd(paths.gpgconf, ['--kill', 'all'], { GNUPGHOME: gnupgHome })
    rmSync(folder, { recursive: true, force: true })
    await product.stop()
  })

  test('skopeo signs what it copies to us, and demands that signature when it copies it out', async () => {
    await succeeds(push('dev/signed:1', release))
    const { stderr } = await succeeds(pull('dev/signed:1', [release]))
    assert.doesNotMatch(stderr, /error/i)
    const [signature, ...more] = await signaturesOf('dev/signed:1')
    assert.deepEqual(more, [])
    assert.equal(signature?.type, 'atomic')
    assert.match(signature.name, /^sha256:[0-9a-f]{64}@[0-9a-f]{32}$/)
  })

  test('a second signature stands beside the first, and the same copy again adds none but its own', async () => {
    await succeeds(push('dev/two:1', release))
    await succeeds(push('dev/two:1', stranger))
    assert.equal((await signaturesOf('dev/two:1')).length, 2)
    await succeeds(pull('dev/two:1', [release]))
    await succeeds(pull('dev/two:1', [stranger]))
    await succeeds(skopeo(['copy', ...both, image('dev/two:1'), image('dev/two:1')]))
    assert.equal((await signaturesOf('dev/two:1')).length, 2)
  })

  test('skopeo refuses an image that nobody signed, and one that a stranger signed', async () => {
    await succeeds(push('dev/unsigned:1'))
    refused(await pull('dev/unsigned:1', [release]), /no signature exists/)
    await succeeds(push('dev/strange:1', stranger))
    refused(await pull('dev/strange:1', [release]), /Invalid GPG signature|not accepted|no public key/i)
  })

  test('a signature for another repository or tag is kept, and skopeo refuses the image', async () => {
    await succeeds(push('dev/origin:1', release))
    await succeeds(push('dev/origin:2'))
    await succeeds(pull('dev/origin:1', [release]))
    refused(await pull('dev/origin:2', [release]), /identity .*origin:1.* is not accepted/)
    await succeeds(push('dev/target:1'))
    const [signature] = await signaturesOf('dev/origin:1')
    assert.equal(await putSignature('dev/target', signature!), 201)
    refused(await pull('dev/target:1', [release]), /identity .*origin:1.* is not accepted/)
  })

  test('a signature of another image is kept, and skopeo refuses the image', async () => {
    await succeeds(push('dev/mixed:1', release))
    await succeeds(push('dev/mixed:2', undefined, 'other'))
    const [signature] = await signaturesOf('dev/mixed:1')
    const digest = await digestOf('dev/mixed:2')
    const moved = { ...signature!, name: `${digest}@${'0'.repeat(32)}` }
    assert.equal(await putSignature('dev/mixed', moved), 201)
    refused(await pull('dev/mixed:2', [release]), /digest|does not match/i)
  })

  test('an index that is copied whole is signed, and so is each platform, which is what skopeo asks about', async () => {
    const images = [
      await buildImage({ layers: [{ 'arch.txt': 'amd64' }] }),
      await buildImage({ layers: [{ 'arch.txt': 'arm64' }] }),
    ]
    const index = buildIndex(images)
    const target = { url: product.url, authorization: product.basic() }
    for (const child of images) await pushImage(target, 'dev/index', child.digest, child)
    await pushImage(target, 'dev/index', '1', index)
    const sign = ['--all', '--sign-by', release.fingerprint]
    await succeeds(skopeo(['copy', ...both, ...sign, image('dev/index:1'), image('dev/index:signed')]))
    for (const { digest } of [index, ...images]) {
      assert.equal((await signaturesOf(`dev/index:${digest}`)).length, 1, digest)
    }
    await succeeds(pull('dev/index:signed', [release]))
    refused(await pull('dev/index:1', [release]), /index:signed.* is not accepted/)
  })

  test('pratique verifies the signature of the key that it is given, and of no other', async () => {
    await succeeds(push('dev/counted:1', release))
    const args = ['verify', 'dev/counted:1', '--gpg-key']
    const { code, stdout } = await product.cli(['--json', ...args, release.publicKeyFile])
    assert.equal(code, 0, stdout)
    const { claims } = JSON.parse(stdout) as { claims: Record<string, unknown>[] }
    const found = claims.map(({ format, claim, reference }) => [format, claim, reference])
    assert.deepEqual(found, [['openpgp', 'signature', `${product.host}/dev/counted:1`]])
    assert.equal((await product.cli([...args, stranger.publicKeyFile])).code, 1)
  })

  test('a stage that asks for it is reached by what is signed, and the signatures go along', async () => {
    const policy = join(folder, 'stages.yaml')
    const rules = '{ signatures: { require: [{ name: release, signers: [release] }] } }'
    writeFileSync(
      policy,
      `stages:\n  - { name: dev, prefix: dev, rules: {} }\n  - { name: prod, prefix: prod, rules: ${rules} }\n`,
    )
    await succeeds(product.cli(['signer', 'add', 'release', '--gpg-key', release.publicKeyFile]))
    await succeeds(product.cli(['policy', 'apply', policy]))
    await succeeds(push('dev/strangers:1', stranger))
    assert.notEqual((await product.cli(['promote', 'dev/strangers:1', '--to', 'prod'])).code, 0)
    await succeeds(push('dev/promoted:1', release))
    const signatures = await signaturesOf('dev/promoted:1')
    await succeeds(product.cli(['promote', 'dev/promoted:1', '--to', 'prod']))
    assert.deepEqual(await signaturesOf('prod/promoted:1'), signatures)
    refused(await pull('prod/promoted:1', [release]), /identity .*dev\/promoted:1.* is not accepted/)
    await succeeds(pull('prod/promoted:1', [release], `${product.host}/dev/promoted:1`))
  })

  const containers = findPeers('buildah', 'podman')
  test(
    'buildah signs what it pushes, and podman pulls it and nothing unsigned',
    { skip: containers.skip || rootSkip() },
    async () => {
      const { buildah, podman } = containers.paths
      const tools = { GNUPGHOME: gnupgHome }
      const login = ['--tls-verify=false', '--creds', `admin:${product.password}`]
      const store = (name: string): string[] => {
        const run = join(folder, `${name}-run`)
        return ['--root', join(folder, name), '--runroot', run, '--storage-driver', 'vfs']
      }
      const context = mkdtempSync(join(folder, 'context-'))
      writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /file\n')
      const signed = `${product.host}/dev/built:1`
      const unsigned = `${product.host}/dev/built:unsigned`
      await succeeds(
        runToEnd(buildah, [...store('built'), 'bud', '--isolation', 'chroot', '-t', signed, context]),
      )
      await succeeds(
        runToEnd(
          buildah,
          [...store('built'), 'push', ...login, '--sign-by', release.fingerprint, signed],
          tools,
        ),
      )
      await succeeds(runToEnd(buildah, [...store('built'), 'push', ...login, signed, `docker://${unsigned}`]))
      const policy = ['--signature-policy', writePolicy([release])]
      await succeeds(runToEnd(podman, [...store('pulled'), 'pull', ...login, ...policy, signed]))
      refused(
        await runToEnd(podman, [...store('pulled'), 'pull', ...login, ...policy, unsigned]),
        /built:1.* is not accepted/,
      )
    },
  )

  const login = `admin:harbour-master-1`
  const toUs = ['--dest-tls-verify=false', '--dest-creds', login]
  const fromUs = ['--src-tls-verify=false', '--src-creds', login]
  const both = [...fromUs, ...toUs]
  const image = (name: string): string => `docker://${product.host}/${name}`

  function skopeo(args: readonly string[], policy?: string): Promise<Ran> {
    const trust = policy === undefined ? ['--insecure-policy'] : ['--policy', policy]
    return runToEnd(paths.skopeo, [...trust, ...args], { GNUPGHOME: gnupgHome })
  }

  function push(name: string, key?: Key, layout = 'layout'): Promise<Ran> {
    const sign = key === undefined ? [] : ['--sign-by', key.fingerprint]
    return skopeo(['copy', ...toUs, ...sign, `oci:${join(folder, layout)}:latest`, image(name)])
  }

  /** Copies out, when one of the keys has signed it: for its own name, or for another one. */
  function pull(name: string, keys: readonly Key[], signedAs?: string): Promise<Ran> {
    const target = mkdtempSync(join(folder, 'out-'))
    return skopeo(['copy', ...fromUs, image(name), `dir:${target}`], writePolicy(keys, signedAs))
  }

  function writePolicy(keys: readonly Key[], signedAs?: string): string {
    const signedIdentity = { type: 'exactReference', dockerReference: signedAs }
    const requirements = keys.map(({ publicKeyFile }) => ({
      type: 'signedBy',
      keyType: 'GPGKeys',
      keyPath: publicKeyFile,
      ...(signedAs === undefined ? {} : { signedIdentity }),
    }))
    const file = join(mkdtempSync(join(folder, 'policy-')), 'policy.json')
    const transports = { docker: { [product.host]: requirements } }
    writeFileSync(file, JSON.stringify({ default: [{ type: 'reject' }], transports }))
    return file
  }

  async function makeKey(name: string, algorithm: string): Promise<Key> {
    const gpg = (...args: string[]): Promise<Ran> =>
      succeeds(runToEnd(paths.gpg, ['--batch', ...args], { GNUPGHOME: gnupgHome }))
    const user = `${name} <${name}@pratique.test>`
    await gpg('--passphrase', '', '--quick-generate-key', user, algorithm, 'sign', 'never')
    const { stdout } = await gpg('--with-colons', '--list-keys', user)
    const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(stdout)![1]!
    const publicKeyFile = join(folder, `${name}.asc`)
    await gpg('--armor', '--output', publicKeyFile, '--export', fingerprint)
    assert.match(readFileSync(publicKeyFile, 'utf8'), /^-----BEGIN PGP PUBLIC KEY BLOCK-----/)
    return { name, fingerprint, publicKeyFile }
  }

  async function digestOf(name: string): Promise<string> {
    const answer = await fetch(`${product.url}/v2/${name.replace(':', '/manifests/')}`, {
      headers: { authorization: product.basic() },
    })
    return answer.headers.get('docker-content-digest')!
  }

  async function signaturesOf(name: string): Promise<readonly Signature[]> {
    const url = `${product.url}/extensions/v2/${name.split(':')[0]}/signatures/${await digestOf(name)}`
    const answer = await fetch(url, { headers: { authorization: product.basic() } })
    assert.equal(answer.status, 200)
    return ((await answer.json()) as { signatures: Signature[] }).signatures
  }

  async function putSignature(repository: string, signature: Signature): Promise<number> {
    const url = `${product.url}/extensions/v2/${repository}/signatures/${signature.name.split('@')[0]}`
    const headers = { authorization: product.basic() }
    return (await fetch(url, { method: 'PUT', headers, body: JSON.stringify(signature) })).status
  }
})

async function succeeds(running: Promise<Ran>): Promise<Ran> {
  const ran = await running
  assert.equal(ran.code, 0, `${ran.stdout}\n${ran.stderr}`)
  return ran
}

function refused({ code, stdout, stderr }: Ran, why: RegExp): void {
  assert.notEqual(code, 0, stdout)
  assert.match(stderr, why)
}
