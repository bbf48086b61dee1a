import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { buildImage, type BuiltImage } from '../fixtures/build-image.ts'
import { PlainRegistry } from '../fixtures/plain-registry.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { startSigstoreStack, type SigstoreStack } from '../fixtures/sigstore-stack.ts'
import { runToEnd, startProduct, type Product, type Ran } from '../fixtures/start-product.ts'

/*
 * The command line of signing: where it signs, what it says, and how it ends. What other tools say of it is in
 * `peers/signing-clients`.
 */

let product: Product
const password = { PRATIQUE_KEY_PASSWORD: 'secret' }
const path = (name: string): string => join(product.folder, name)
const said = ({ stdout, stderr }: Ran): string => `${stdout}${stderr}`

before(async () => {
  product = await startProduct()
  assert.equal((await pratique('generate-key', path('alice'))).code, 0)
  assert.equal((await pratique('generate-key', path('bob'))).code, 0)
})
after(() => product.stop())

/** As somebody whose only credential is in these variables. */
function runAs(environment: Readonly<Record<string, string>>, args: readonly string[]): Promise<Ran> {
  return runToEnd(join(import.meta.dirname, '../../bin/pratique'), args, {
    HOME: product.folder,
    DOCKER_CONFIG: product.folder,
    XDG_CONFIG_HOME: path('config'),
    PRATIQUE_SERVER: product.url,
    ...password,
    ...environment,
  })
}

function pratique(...args: string[]): Promise<Ran> {
  return runAs({ PRATIQUE_USERNAME: 'admin', PRATIQUE_PASSWORD: product.password }, args)
}

async function push(repository: string, tag = '1', content = repository): Promise<BuiltImage> {
  const image = await buildImage({ layers: [{ a: content }] })
  await pushImage({ url: product.url, authorization: product.basic() }, repository, tag, image)
  return image
}
const sign = (...args: string[]): Promise<Ran> => pratique('sign', '--key', path('alice.key'), ...args)
const verify = (...args: string[]): Promise<Ran> => pratique('verify', '--key', path('alice.pub'), ...args)

test('a personal token is enough to sign and to verify', async () => {
  await push('dev/token')
  const made = await pratique('--json', 'token', 'add', 'ci')
  assert.equal(made.code, 0, said(made))
  const { secret: token } = JSON.parse(made.stdout) as { secret: string }
  const signed = await runAs({ PRATIQUE_TOKEN: token }, ['sign', '--key', path('alice.key'), 'dev/token:1'])
  assert.equal(signed.code, 0, said(signed))
  const verified = await runAs({ PRATIQUE_TOKEN: token }, [
    'verify',
    '--key',
    path('alice.pub'),
    'dev/token:1',
  ])
  assert.equal(verified.code, 0, said(verified))
  const wrong = await runAs({ PRATIQUE_TOKEN: `${token}x` }, [
    'sign',
    '--key',
    path('alice.key'),
    'dev/token:1',
  ])
  assert.equal(wrong.code, 2, said(wrong))
})

test('signing again what is signed adds nothing', async () => {
  await push('dev/again')
  const [first, second] = [await sign('dev/again:1'), await sign('dev/again:1')]
  assert.equal(first.code, 0, said(first))
  assert.equal(second.stdout, first.stdout)
})

test('an image by tag and digest is signed under its tag', async () => {
  const { digest } = await push('dev/pinned')
  assert.equal((await sign(`dev/pinned:1@${digest}`)).code, 0)
  const verified = await verify('--bind', 'tag', 'dev/pinned:1')
  assert.equal(verified.code, 0, said(verified))
})

test('a signature that names another image counts only where the name is not asked about', async () => {
  const { digest } = await push('dev/bound')
  assert.equal((await sign('dev/bound:1')).code, 0)
  await push('dev/bound', '2', 'dev/bound')
  for (const [bind, image, code] of [
    ['none', 'dev/bound:2', 0],
    ['named', 'dev/bound:2', 0],
    ['repository', 'dev/bound:2', 0],
    ['tag', 'dev/bound:2', 1],
    ['tag', 'dev/bound:1', 0],
    ['tag', `dev/bound@${digest}`, 1],
  ] as const) {
    const verified = await verify('--bind', bind, image)
    assert.equal(verified.code, code, `${bind} ${image}\n${said(verified)}`)
    if (code === 1) assert.match(verified.stdout, /does not count: it names another tag/)
  }
})

test('a signature of another key is told with what is wrong, and in JSON too', async () => {
  await push('dev/stranger')
  assert.equal((await pratique('sign', '--key', path('bob.key'), 'dev/stranger:1')).code, 0)
  const refused = await verify('dev/stranger:1')
  assert.equal(refused.code, 1)
  assert.match(refused.stdout, /^untrusted: signature/)
  for (const line of refused.stdout.split('\n')) assert.ok(line.length <= 80, line)
  const json = await pratique('--json', 'verify', '--key', path('alice.pub'), 'dev/stranger:1')
  assert.equal(json.code, 1)
  const answer = JSON.parse(json.stdout) as {
    status: string
    isVerified: boolean
    rejections: { claim?: string }[]
  }
  // Of what the server attested itself there may be more, by then.
  const ofSignatures = answer.rejections.filter(({ claim }) => claim === 'signature')
  assert.deepEqual([answer.status, answer.isVerified, ofSignatures.length], ['untrusted', false, 2])
})

describe('a registry of somebody else', () => {
  let registry: PlainRegistry
  const image = buildImage({ layers: [{ a: 'elsewhere' }] })

  before(async () => {
    registry = await new PlainRegistry({ referrers: 404, tokens: true, preconditions: false }).start()
    registry.add(await image, '1')
    const auth = Buffer.from('user:secret').toString('base64')
    writeFileSync(path('config.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }))
  })
  after(() => registry.stop())

  test("is signed in with docker's sign-in, and never with that of the server", async () => {
    const signed = await sign(`${registry.host}/app:1`)
    assert.equal(signed.code, 0, said(signed))
    const verified = await verify('--bind', 'tag', `${registry.host}/app:1`)
    assert.equal(verified.code, 0, said(verified))
    const ours = Buffer.from(`admin:${product.password}`).toString('base64')
    assert.ok(registry.asked.length > 10)
    assert.ok(registry.asked.every(({ authorization = '' }) => !authorization.includes(ours)))
  })

  test('whose evidence cannot be read leaves it open what is so', async () => {
    registry.instead = (_request, response, name) => {
      if (!name.startsWith('blobs/')) return false
      response.writeHead(500).end()
      return true
    }
    const open = await verify(`${registry.host}/app:1`)
    assert.equal(open.code, 3, said(open))
    assert.match(open.stdout, /^unavailable: signature[\s\S]*not everything could be looked at/)
    registry.instead = (_request, response) => {
      response.writeHead(503).end()
      return true
    }
    const gone = await verify(`${registry.host}/app:1`)
    assert.equal(gone.code, 3, said(gone))
    assert.match(gone.stderr, /it cannot be told/)
  })
})

test('a registry that does not answer leaves it open, an image that is not there is an error', async () => {
  assert.equal((await verify('127.0.0.1:9/app:1')).code, 3)
  const missing = await verify('dev/missing:1')
  assert.equal(missing.code, 2)
  assert.match(missing.stderr, /dev\/missing has no image 1/)
})

for (const [about, args, why] of [
  [
    'an attestation for the Notary Project',
    ['attest', '--only', 'notation'],
    /Allowed choices are bundle, legacy/,
  ],
  ['a type that is none', ['attest', '--type', 'nothing'], /nothing is no predicate type/],
  ['a name that is none', ['sign', 'UPPER:1'], /does not name an image/],
  ['two who sign', ['sign', '--command', 'true', 'dev/a:1'], /name who signs/],
] as const) {
  test(`${about} is refused with what is wrong`, async () => {
    const [command, ...rest] = args
    writeFileSync(path('predicate.json'), '{}')
    const more = command === 'attest' ? ['--predicate', path('predicate.json'), 'dev/a:1'] : []
    const type =
      command === 'attest' && !(rest as readonly string[]).includes('--type') ? ['--type', 'vsa'] : []
    const ran = await pratique(command, '--key', path('alice.key'), ...type, ...rest, ...more)
    assert.equal(ran.code, 2, said(ran))
    assert.match(ran.stderr, why)
  })
}

for (const type of ['vex', 'openvex']) {
  test(`${type} is the type that cosign gives to VEX documents`, async () => {
    await push(`dev/${type}`)
    writeFileSync(path('vex.json'), '{"@context": "https://openvex.dev/ns/v0.2.0"}')
    const key = ['--key', path('alice.key')]
    const made = await pratique(
      'attest',
      ...key,
      '--predicate',
      path('vex.json'),
      '--type',
      type,
      `dev/${type}:1`,
    )
    assert.equal(made.code, 0, said(made))
    const verified = await verify('--claim', 'https://openvex.dev/ns', `dev/${type}:1`)
    assert.equal(verified.code, 0, said(verified))
  })
}

test('a key is not made beside the public half of another', async () => {
  writeFileSync(path('half.pub'), 'of another key')
  const refused = await pratique('generate-key', path('half'))
  assert.equal(refused.code, 2)
  assert.equal(existsSync(path('half.key')), false)
  assert.equal(readFileSync(path('half.pub'), 'utf8'), 'of another key')
})

describe('the signature beside a file', () => {
  let sigstore: SigstoreStack
  const email = 'krel@releases.example'
  const issuer = 'https://idp.example'
  interface Bundle {
    readonly verificationMaterial: {
      readonly certificate: { readonly rawBytes: string }
      readonly tlogEntries: readonly {
        readonly canonicalizedBody: string
        readonly integratedTime: string
        readonly logIndex: string
        readonly logId: { readonly keyId: string }
        readonly inclusionPromise: { readonly signedEntryTimestamp: string }
      }[]
    }
    readonly messageSignature: { readonly signature: string }
  }

  before(async () => {
    sigstore = await startSigstoreStack()
    writeFileSync(path('root.json'), sigstore.trustedRoot)
    writeFileSync(path('token'), sigstore.token(email, issuer))
    writeFileSync(path('kubectl'), 'a program')
    writeFileSync(path('changed'), 'another program')
    const keyless = [
      '--fulcio',
      sigstore.fulcioUrl,
      '--identity-token',
      path('token'),
      '--rekor',
      sigstore.rekorUrl,
    ]
    const signed = await pratique('sign-blob', ...keyless, path('kubectl'))
    assert.equal(signed.code, 0, said(signed))
    lay(JSON.parse(readFileSync(path('kubectl.sigstore.json'), 'utf8')) as Bundle)
  })
  after(() => sigstore.stop())

  /** Lays the same signature beside the file in the older forms. */
  function lay({ verificationMaterial, messageSignature: { signature } }: Bundle): void {
    const der = verificationMaterial.certificate.rawBytes
    const pem = `-----BEGIN CERTIFICATE-----\n${der.replaceAll(/(.{64})/g, '$1\n')}\n-----END CERTIFICATE-----\n`
    const cert = Buffer.from(pem).toString('base64')
    const [entry] = verificationMaterial.tlogEntries
    assert.ok(entry)
    const { canonicalizedBody: body, inclusionPromise } = entry
    const parts = {
      body,
      integratedTime: Number(entry.integratedTime),
      logIndex: Number(entry.logIndex),
      logID: Buffer.from(entry.logId.keyId, 'base64').toString('hex'),
    }
    const { signedEntryTimestamp } = inclusionPromise
    const rekorBundle = { SignedEntryTimestamp: signedEntryTimestamp, Payload: parts }
    const answer = {
      '24296fb24b8ad77a': { ...parts, attestation: {}, verification: { signedEntryTimestamp } },
    }
    for (const [name, content] of [
      ['kubectl.sig', signature],
      ['kubectl.cert', cert],
      ['kubectl.pem', pem],
      ['kubectl.rekor', JSON.stringify(answer)],
      ['kubectl.kept', JSON.stringify(rekorBundle)],
      ['kubectl.bundle', JSON.stringify({ base64Signature: signature, cert, rekorBundle })],
      ['kubectl.unlogged', JSON.stringify({ base64Signature: signature, cert })],
    ] as const) {
      writeFileSync(path(name), content)
    }
  }

  const verifyBlob = (file: string, ...args: string[]): Promise<Ran> => {
    const who = ['--identity', email, '--issuer', issuer, '--trusted-root', path('root.json')]
    return pratique('verify-blob', ...who, ...args, path(file))
  }
  const beside = (...names: string[]): string[] => {
    const options = ['--signature', '--certificate', '--log-entry']
    return names.flatMap((name, index) => [options[index] ?? '', path(name)])
  }

  for (const [about, args] of [
    ['a bundle', () => []],
    [
      "the certificate, and the entry as Rekor's API gives it",
      () => beside('kubectl.sig', 'kubectl.cert', 'kubectl.rekor'),
    ],
    [
      'the certificate in PEM, and the entry as cosign keeps it',
      () => beside('kubectl.sig', 'kubectl.pem', 'kubectl.kept'),
    ],
    ['a bundle of cosign 2', () => ['--bundle', path('kubectl.bundle')]],
  ] as const) {
    test(`is verified by ${about}, and only of this file`, async () => {
      const good = await verifyBlob('kubectl', ...args())
      assert.equal(good.code, 0, said(good))
      assert.match(
        good.stdout,
        /^verified: [\s\S]*certificate of krel@releases\.example\n {2}signed by .*, proven/,
      )
      const bundle = args().length === 0 ? ['--bundle', path('kubectl.sigstore.json')] : args()
      const changed = await verifyBlob('changed', ...bundle)
      assert.equal(changed.code, 1, said(changed))
    })
  }

  for (const [about, args] of [
    ['signature and certificate alone', () => beside('kubectl.sig', 'kubectl.cert')],
    ['a bundle of cosign 2 without the log', () => ['--bundle', path('kubectl.unlogged')]],
  ] as const) {
    test(`is refused by ${about}: nothing proves when it was made`, async () => {
      const refused = await verifyBlob('kubectl', ...args())
      assert.equal(refused.code, 1, said(refused))
      assert.match(refused.stdout, /^untrusted: [\s\S]*no trusted transparency log has seen the signature/)
      if (args().includes('--certificate'))
        assert.match(refused.stdout.replaceAll(/\s+/g, ' '), /give the entry of the log/)
    })
  }

  test('is refused with the entry of another signature, and of another name', async () => {
    writeFileSync(path('second'), 'a second file')
    const keyless = [
      '--fulcio',
      sigstore.fulcioUrl,
      '--identity-token',
      path('token'),
      '--rekor',
      sigstore.rekorUrl,
    ]
    assert.equal((await pratique('sign-blob', ...keyless, path('second'))).code, 0)
    const other = JSON.parse(readFileSync(path('second.sigstore.json'), 'utf8')) as Bundle
    const [entry] = other.verificationMaterial.tlogEntries
    const kept = JSON.parse(readFileSync(path('kubectl.kept'), 'utf8')) as { Payload: object }
    const mixed = { ...kept, Payload: { ...kept.Payload, body: entry?.canonicalizedBody } }
    writeFileSync(path('mixed'), JSON.stringify(mixed))
    const refused = await verifyBlob('kubectl', ...beside('kubectl.sig', 'kubectl.cert', 'mixed'))
    assert.equal(refused.code, 1, said(refused))
    const root = ['--issuer', issuer, '--trusted-root', path('root.json')]
    const evil = ['verify-blob', '--identity', `${email}.evil`, ...root, path('kubectl')]
    assert.equal((await pratique(...evil)).code, 1)
  })

  test('by a key needs no more, and is refused of another key or file', async () => {
    const signed = await pratique(
      '--json',
      'sign-blob',
      '--key',
      path('alice.key'),
      '--bundle',
      path('b'),
      path('kubectl'),
    )
    assert.equal(signed.code, 0, said(signed))
    writeFileSync(path('key.sig'), `${(JSON.parse(signed.stdout) as { signature: string }).signature}\n`)
    const ask = (key: string, file: string): Promise<Ran> =>
      pratique('verify-blob', '--key', path(key), '--signature', path('key.sig'), path(file))
    assert.equal((await ask('alice.pub', 'kubectl')).code, 0)
    assert.equal((await ask('bob.pub', 'kubectl')).code, 1)
    assert.equal((await ask('alice.pub', 'changed')).code, 1)
  })

  test('is an error where its parts do not fit together, or are not there', async () => {
    for (const [args, why] of [
      [beside('kubectl.sig'), /needs its certificate/],
      [['--certificate', path('kubectl.cert')], /belong to --signature/],
      [[...beside('kubectl.sig', 'kubectl.cert'), '--bundle', path('kubectl.bundle')], /not both/],
      [beside('absent', 'kubectl.cert'), /absent cannot be read/],
      [beside('kubectl.sig', 'kubectl.sig'), /certificate cannot be read/],
      [beside('kubectl.sig', 'kubectl.cert', 'kubectl.cert'), /the log entry is/],
    ] as const) {
      const ran = await verifyBlob('kubectl', ...args)
      assert.equal(ran.code, 2, said(ran))
      assert.match(ran.stderr, why)
    }
  })
})
