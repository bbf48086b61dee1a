import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { buildImage, buildIndex, type BuiltImage } from '../fixtures/build-image.ts'
import { makeCodeSigner } from '../fixtures/code-signer.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { startSigstoreStack, type SigstoreStack } from '../fixtures/sigstore-stack.ts'
import { runToEnd, startProduct, type Product, type Ran } from '../fixtures/start-product.ts'
import { findPeers } from './peer.ts'

/*
 * `pratique sign` for every tool that verifies, and every tool that signs for `pratique verify`.
 */

let product: Product
const password = { PRATIQUE_KEY_PASSWORD: 'secret', COSIGN_PASSWORD: 'secret' }
const cosign3 = findPeers('cosign')
const cosign2 = findPeers('cosign-2.5')
const notation = findPeers('notation', 'openssl')
const skopeos = (['skopeo-1.18', 'skopeo-1.22'] as const).map((name) => ({ name, ...findPeers(name) }))

before(async () => {
  product = await startProduct()
  const auth = { auths: { [product.host]: { auth: product.basic().slice('Basic '.length) } } }
  writeFileSync(join(product.folder, 'config.json'), JSON.stringify(auth))
  await pratique('generate-key', path('release'))
})
after(() => product.stop())

const path = (name: string): string => join(product.folder, name)
const environment = (): Record<string, string> => ({
  ...password,
  HOME: product.folder,
  DOCKER_CONFIG: product.folder,
  REGISTRY_AUTH_FILE: path('config.json'),
  XDG_RUNTIME_DIR: product.folder,
  // Sigstore's public roots cannot be fetched here, and keys need none.
  TUF_ROOT: path('tuf'),
})

async function pratique(...args: string[]): Promise<Ran> {
  const ran = await runToEnd(join(import.meta.dirname, '../../bin/pratique'), args, {
    ...environment(),
    PRATIQUE_SERVER: product.url,
    PRATIQUE_USERNAME: 'admin',
    PRATIQUE_PASSWORD: product.password,
  })
  return ran
}

function cosign(program: string | undefined, ...args: string[]): Promise<Ran> {
  return runToEnd(program ?? 'cosign', args, environment())
}

async function push(repository: string, tag: string, built: BuiltImage): Promise<string> {
  await pushImage({ url: product.url, authorization: product.basic() }, repository, tag, built)
  return `${product.host}/${repository}`
}

function said({ stdout, stderr }: Ran): string {
  return `${stdout}${stderr}`
}

const offline = ['--insecure-ignore-tlog=true', '--allow-http-registry']

test(
  'cosign 3 verifies what we sign, as a bundle, and refuses it of another image',
  { skip: cosign3.skip },
  async () => {
    const image = await buildImage({ layers: [{ a: 'cosign 3' }] })
    const name = await push('dev/ours3', '1', image)
    const signed = await pratique('sign', '--key', path('release.key'), 'dev/ours3:1')
    assert.equal(signed.code, 0, said(signed))
    const good = await cosign(
      cosign3.paths.cosign,
      'verify',
      '--key',
      path('release.pub'),
      ...offline,
      `${name}:1`,
    )
    assert.equal(good.code, 0, said(good))
    await push('dev/ours3', '2', await buildImage({ layers: [{ a: 'other' }] }))
    const other = await cosign(
      cosign3.paths.cosign,
      'verify',
      '--key',
      path('release.pub'),
      ...offline,
      `${name}:2`,
    )
    assert.notEqual(other.code, 0)
  },
)

test('cosign 3 verifies the older form of what we sign too', { skip: cosign3.skip }, async () => {
  const name = await push('dev/ours3-legacy', '1', await buildImage({ layers: [{ a: 'legacy' }] }))
  const signed = await pratique(
    'sign',
    '--key',
    path('release.key'),
    '--only',
    'legacy',
    'dev/ours3-legacy:1',
  )
  assert.equal(signed.code, 0, said(signed))
  const options = ['--key', path('release.pub'), '--new-bundle-format=false', ...offline]
  const good = await cosign(cosign3.paths.cosign, 'verify', ...options, `${name}:1`)
  assert.equal(good.code, 0, said(good))
  assert.ok(said(good).includes(`${name}:1`), 'the payload names repository and tag')
})

test(
  'cosign 2.5 verifies what we sign, from the tag, with its repository and tag bound',
  { skip: cosign2.skip },
  async () => {
    const image = await buildImage({ layers: [{ a: 'cosign 2' }] })
    const name = await push('dev/ours2', '1', image)
    await pratique('sign', '--key', path('release.key'), 'dev/ours2:1')
    const good = await cosign(
      cosign2.paths['cosign-2.5'],
      'verify',
      '--key',
      path('release.pub'),
      ...offline,
      `${name}:1`,
    )
    assert.equal(good.code, 0, said(good))
    assert.ok(said(good).includes(`${name}:1`), 'the payload names repository and tag')
  },
)

for (const { name: program, skip, paths } of skopeos) {
  test(
    `${program} copies what we sign, exactly for its tag, and refuses what nobody signed`,
    { skip },
    async () => {
      const repository = `dev/${program.replace('.', '-')}`
      const image = await buildImage({ layers: [{ a: program }] })
      const name = await push(repository, '1', image)
      await push(repository, 'unsigned', await buildImage({ layers: [{ a: `${program} unsigned` }] }))
      const signed = await pratique('sign', '--key', path('release.key'), `${repository}:1`)
      assert.equal(signed.code, 0, said(signed))
      // The same image under another tag: signed, but not under this name.
      await push(repository, 'other', image)
      writePolicy('matchExact')
      const copy = (tag: string): Promise<Ran> =>
        runToEnd(
          paths[program],
          [
            '--policy',
            path('policy.json'),
            '--registries.d',
            path('registries.d'),
            'copy',
            '--src-tls-verify=false',
            `docker://${name}:${tag}`,
            `dir:${path(`${program}-${tag}`)}`,
          ],
          environment(),
        )
      const good = await copy('1')
      assert.equal(good.code, 0, said(good))
      for (const tag of ['unsigned', 'other']) {
        const refused = await copy(tag)
        assert.notEqual(refused.code, 0, `${tag} was copied`)
        assert.match(said(refused), /Source image rejected/)
      }
      writePolicy('matchRepository')
      const elsewhere = await copy('other')
      assert.equal(elsewhere.code, 0, said(elsewhere))
      assert.notEqual((await copy('unsigned')).code, 0)
    },
  )
}

function writePolicy(identity: string): void {
  const requirement = {
    type: 'sigstoreSigned',
    keyPath: path('release.pub'),
    signedIdentity: { type: identity },
  }
  const policy = {
    default: [{ type: 'reject' }],
    transports: { docker: { [product.host]: [requirement] } },
  }
  writeFileSync(path('policy.json'), JSON.stringify(policy))
  mkdirSync(path('registries.d'), { recursive: true })
  writeFileSync(
    join(path('registries.d'), 'ours.yaml'),
    `docker:\n  "${product.host}":\n    use-sigstore-attachments: true\n`,
  )
}

test(
  'an index is signed with each of its platforms, and cosign verifies each',
  { skip: cosign3.skip },
  async () => {
    const children = [
      await buildImage({ layers: [{ a: 'left' }] }),
      await buildImage({ layers: [{ a: 'right' }] }),
    ]
    for (const child of children) await push('dev/both', child.digest, child)
    const index = buildIndex(children)
    const name = await push('dev/both', '1', index)
    const signed = await pratique('--json', 'sign', '--key', path('release.key'), 'dev/both:1')
    assert.equal((JSON.parse(signed.stdout) as unknown[]).length, 3)
    for (const { digest } of [index, ...children]) {
      const good = await cosign(
        cosign3.paths.cosign,
        'verify',
        '--key',
        path('release.pub'),
        ...offline,
        `${name}@${digest}`,
      )
      assert.equal(good.code, 0, said(good))
    }
  },
)

test('an attestation of ours is one to cosign, and no signature', { skip: cosign3.skip }, async () => {
  const name = await push('dev/attested', '1', await buildImage({ layers: [{ a: 'attested' }] }))
  writeFileSync(path('result.json'), JSON.stringify({ result: 'PASSED' }))
  const made = await pratique(
    'attest',
    '--key',
    path('release.key'),
    '--predicate',
    path('result.json'),
    '--type',
    'test-result',
    'dev/attested:1',
  )
  assert.equal(made.code, 0, said(made))
  const good = await cosign(
    ...([cosign3.paths.cosign, 'verify-attestation', '--key', path('release.pub'), ...offline] as const),
    '--type',
    'https://in-toto.io/attestation/test-result/v0.1',
    `${name}:1`,
  )
  assert.equal(good.code, 0, said(good))
  const claimed = await pratique(
    'verify',
    '--key',
    path('release.pub'),
    '--claim',
    'test-result',
    'dev/attested:1',
  )
  assert.equal(claimed.code, 0, said(claimed))
  const signature = await pratique('verify', '--key', path('release.pub'), 'dev/attested:1')
  assert.equal(signature.code, 1)
  assert.match(signature.stdout, /^unsigned: signature/)
})

for (const [name, { skip, paths }, sign] of [
  ['cosign 3', cosign3, ['--allow-http-registry', '--use-signing-config=false', '--tlog-upload=false']],
  ['cosign 2.5', cosign2, ['--allow-http-registry', '--tlog-upload=false', '--yes']],
] as const) {
  test(`we verify what ${name} signs, and with a key that it made`, { skip }, async () => {
    const program = Object.values(paths)[0]
    const key = name.replace(/\W/g, '')
    const made = await cosign(program, 'generate-key-pair', '--output-key-prefix', path(key))
    assert.equal(made.code, 0, said(made))
    const repository = `dev/by-${key}`
    const image = await push(repository, '1', await buildImage({ layers: [{ a: name }] }))
    const signed = await cosign(program, 'sign', '--key', path(`${key}.key`), ...sign, `${image}:1`)
    assert.equal(signed.code, 0, said(signed))
    const good = await pratique('verify', '--key', path(`${key}.pub`), `${repository}:1`)
    assert.equal(good.code, 0, said(good))
    const stranger = await pratique('verify', '--key', path('release.pub'), `${repository}:1`)
    assert.equal(stranger.code, 1, said(stranger))
    assert.match(stranger.stdout, /^untrusted/)
    const ours = await pratique('sign', '--key', path(`${key}.key`), `${repository}:1`)
    assert.equal(ours.code, 0, said(ours))
  })
}

test('cosign signs with a key that we made', { skip: cosign3.skip }, async () => {
  const image = await push('dev/their-key', '1', await buildImage({ layers: [{ a: 'their key' }] }))
  const signed = await cosign(
    ...([cosign3.paths.cosign, 'sign', '--key', path('release.key'), '--allow-http-registry'] as const),
    '--use-signing-config=false',
    '--tlog-upload=false',
    `${image}:1`,
  )
  assert.equal(signed.code, 0, said(signed))
  assert.equal((await pratique('verify', '--key', path('release.pub'), 'dev/their-key:1')).code, 0)
})

test(
  'notation verifies what we sign with a chain of certificates, and so do we',
  { skip: notation.skip },
  async () => {
    const signer = makeCodeSigner('/C=DE/ST=Hamburg/O=Harbour/CN=Release')
    writeFileSync(path('notary.key'), signer.privateKey)
    writeFileSync(path('notary.chain'), signer.chain)
    writeFileSync(path('notary.root'), signer.root)
    const image = await buildImage({ layers: [{ a: 'notation' }] })
    const name = await push('dev/notary', '1', image)
    await push('dev/notary', 'unsigned', await buildImage({ layers: [{ a: 'not signed' }] }))
    const options = ['--key', path('notary.key'), '--certificate-chain', path('notary.chain')]
    const signed = await pratique('sign', ...options, 'dev/notary:1')
    assert.equal(signed.code, 0, said(signed))
    const folder = path('notation-config')
    const store = join(folder, 'notation/truststore/x509/ca/harbour')
    mkdirSync(store, { recursive: true })
    writeFileSync(join(store, 'root.pem'), signer.root)
    const policy = {
      name: 'all',
      registryScopes: ['*'],
      signatureVerification: { level: 'strict' },
      trustStores: ['ca:harbour'],
      trustedIdentities: ['x509.subject: C=DE, ST=Hamburg, O=Harbour'],
    }
    writeFileSync(
      join(folder, 'notation/trustpolicy.json'),
      JSON.stringify({ version: '1.0', trustPolicies: [policy] }),
      { mode: 0o600 },
    )
    const verify = (tag: string): Promise<Ran> =>
      runToEnd(
        notation.paths.notation,
        ['verify', '--insecure-registry', '-u', 'admin', '-p', product.password, `${name}:${tag}`],
        { ...environment(), XDG_CONFIG_HOME: folder },
      )
    const theirs = await verify('1')
    assert.equal(theirs.code, 0, said(theirs))
    assert.notEqual((await verify('unsigned')).code, 0)
    const subject = ['--notation-ca', path('notary.root'), '--notation-subject']
    const ours = await pratique('verify', ...subject, 'C=DE, ST=Hamburg, O=Harbour', 'dev/notary:1')
    assert.equal(ours.code, 0, said(ours))
    const other = await pratique('verify', ...subject, 'C=DE, ST=Hamburg, O=Other', 'dev/notary:1')
    assert.equal(other.code, 1, said(other))
  },
)

describe('with a private Sigstore', () => {
  const email = 'builder@corp.example'
  const issuer = 'https://idp.example'
  let sigstore: SigstoreStack

  before(async () => {
    sigstore = await startSigstoreStack()
    writeFileSync(path('root.json'), sigstore.trustedRoot)
    writeFileSync(path('token'), sigstore.token(email, issuer))
    writeOldTrust(sigstore.trustedRoot)
  })
  after(() => sigstore.stop())

  /** Signs a new image with a certificate, and gives its name. */
  async function signKeyless(repository: string): Promise<string> {
    const image = await push(repository, '1', await buildImage({ layers: [{ a: repository }] }))
    const witnesses = ['--rekor', sigstore.rekorUrl, '--timestamp-server', sigstore.tsaUrl]
    const keyless = ['--fulcio', sigstore.fulcioUrl, '--identity-token', path('token')]
    const signed = await pratique('sign', ...keyless, ...witnesses, `${repository}:1`)
    assert.equal(signed.code, 0, said(signed))
    return image
  }

  for (const [name, { skip, paths }, options] of [
    ['cosign 3', cosign3, ['--trusted-root', 'root.json']],
    ['cosign 3', cosign3, ['--trusted-root', 'root.json', '--new-bundle-format=false']],
    ['cosign 2.5', cosign2, []],
  ] as const) {
    test(
      `${name} ${options.slice(2).join('')} verifies what we sign with a certificate`,
      { skip },
      async () => {
        const repository = `dev/keyless-${name.replaceAll(/\W/g, '')}-${options.length}`
        const image = await signKeyless(repository)
        const trust = options.map((one) => (one === 'root.json' ? path(one) : one))
        const verify = (identity: string): Promise<Ran> => {
          const who = ['--certificate-identity', identity, '--certificate-oidc-issuer', issuer]
          const args = ['verify', '--allow-http-registry', ...trust, ...who, `${image}:1`]
          return runToEnd(Object.values(paths)[0] ?? '', args, {
            ...environment(),
            // cosign 2 has no trusted root for signatures under tags.
            ...(name === 'cosign 2.5' ? oldTrust() : {}),
          })
        }
        const good = await verify(email)
        assert.equal(good.code, 0, said(good))
        const other = await verify('other@corp.example')
        assert.notEqual(other.code, 0, said(other))
      },
    )
  }

  test(
    'cosign 3 verifies the file that we sign with a certificate, and no other',
    { skip: cosign3.skip },
    async () => {
      writeFileSync(path('keyless.tar'), 'content')
      writeFileSync(path('changed.tar'), 'Content')
      const keyless = ['--fulcio', sigstore.fulcioUrl, '--identity-token', path('token')]
      const signed = await pratique(
        'sign-blob',
        ...keyless,
        '--rekor',
        sigstore.rekorUrl,
        path('keyless.tar'),
      )
      assert.equal(signed.code, 0, said(signed))
      const verify = (file: string): Promise<Ran> => {
        const who = ['--certificate-identity', email, '--certificate-oidc-issuer', issuer]
        const trust = ['--trusted-root', path('root.json'), '--bundle', path('keyless.tar.sigstore.json')]
        return cosign(cosign3.paths.cosign, 'verify-blob', ...trust, ...who, path(file))
      }
      const good = await verify('keyless.tar')
      assert.equal(good.code, 0, said(good))
      assert.notEqual((await verify('changed.tar')).code, 0)
    },
  )
})

/** The same trust in the files that cosign 2 reads. */
function writeOldTrust(trustedRoot: string): void {
  interface Key {
    readonly publicKey: { readonly rawBytes: string }
  }
  const { certificateAuthorities, tlogs, ctlogs } = JSON.parse(trustedRoot) as {
    certificateAuthorities: { certChain: { certificates: { rawBytes: string }[] } }[]
    tlogs: Key[]
    ctlogs: Key[]
  }
  const pem = (label: string, base64 = ''): string =>
    `-----BEGIN ${label}-----\n${base64.replaceAll(/(.{64})/g, '$1\n')}\n-----END ${label}-----\n`
  const chain = certificateAuthorities[0]?.certChain.certificates ?? []
  writeFileSync(path('fulcio.pem'), chain.map(({ rawBytes }) => pem('CERTIFICATE', rawBytes)).join(''))
  writeFileSync(path('rekor.pub'), pem('PUBLIC KEY', tlogs[0]?.publicKey.rawBytes))
  writeFileSync(path('ctlog.pub'), pem('PUBLIC KEY', ctlogs[0]?.publicKey.rawBytes))
}

const oldTrust = (): Record<string, string> => ({
  SIGSTORE_ROOT_FILE: path('fulcio.pem'),
  SIGSTORE_REKOR_PUBLIC_KEY: path('rekor.pub'),
  SIGSTORE_CT_LOG_PUBLIC_KEY_FILE: path('ctlog.pub'),
})

test('a program signs in place of a key, and one that signs with another key is found out', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(path('hsm.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(path('hsm.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  await push('dev/hsm', '1', await buildImage({ layers: [{ a: 'hsm' }] }))
  const command = `openssl dgst -sha256 -sign ${path('hsm.pem')}`
  const signed = await pratique('sign', '--command', command, '--public-key', path('hsm.pub'), 'dev/hsm:1')
  assert.equal(signed.code, 0, said(signed))
  assert.equal((await pratique('verify', '--key', path('hsm.pub'), 'dev/hsm:1')).code, 0)
  const wrong = await pratique('sign', '--command', command, '--public-key', path('release.pub'), 'dev/hsm:1')
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /no signature of the public key/)
})

test(
  'a file is signed and verified, by us and by cosign, and a changed one is refused',
  { skip: cosign3.skip },
  async () => {
    writeFileSync(path('release.tar'), 'content')
    assert.equal((await pratique('sign-blob', '--key', path('release.key'), path('release.tar'))).code, 0)
    assert.equal((await pratique('verify-blob', '--key', path('release.pub'), path('release.tar'))).code, 0)
    const bundle = path('release.tar.sigstore.json')
    const theirs = await cosign(
      ...([cosign3.paths.cosign, 'verify-blob', '--key', path('release.pub'), '--bundle', bundle] as const),
      '--insecure-ignore-tlog=true',
      path('release.tar'),
    )
    assert.equal(theirs.code, 0, said(theirs))
    writeFileSync(path('release.tar'), 'Content')
    const changed = await pratique('verify-blob', '--key', path('release.pub'), path('release.tar'))
    assert.equal(changed.code, 1, said(changed))
  },
)

test('a key is made for its owner only, and never over another', async () => {
  const { mode } = statSync(path('release.key'))
  assert.equal(mode & 0o777, 0o600)
  assert.match(readFileSync(path('release.key'), 'utf8'), /ENCRYPTED SIGSTORE PRIVATE KEY/)
  const again = await pratique('generate-key', path('release'))
  assert.equal(again.code, 2)
  assert.match(again.stderr, /not written/)
})
