import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Digest } from '../../src/kernel/digest.ts'
import { signatureClaim, type FormatName, type Signer, type Verification } from '../../src/signing/offline.ts'
import { verifyImage } from '../../src/signing/verify-image.ts'
import { buildImage, type BuiltImage } from '../fixtures/build-image.ts'
import { makeCodeAuthority, makeCodeSigner, type CodeSigner } from '../fixtures/code-signer.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { registryEvidence } from '../fixtures/registry-evidence.ts'
import { replaySignatures } from '../fixtures/replay-signatures.ts'
import { addSigner } from '../fixtures/signing-policy.ts'
import { SigningTools, type CosignVersion, type SkopeoVersion } from '../fixtures/signing-tools.ts'
import { startProduct, type Product, type Ran } from '../fixtures/start-product.ts'
import { findPeers } from './peer.ts'

/** One way in which somebody else signs. */
interface Way {
  readonly name: string
  readonly format: FormatName
  /** `signature` unless told. */
  readonly claim?: string
  /** The name that it gives the image. */
  readonly reference?: (repository: string) => string
  /** Signs the image, and tells whose the signature is. */
  sign(tools: SigningTools, repository: string, digest: Digest): Promise<Signer>
}

const cosignFormats = { cosign: 'sigstore-bundle', 'cosign-2.5': 'cosign-legacy' } as const
const cosignVersions = ['cosign', 'cosign-2.5'] as const
const release = '/C=DE/ST=Hamburg/O=Harbour/CN=Release'
const predicateType = 'https://pratique.example/test-result/v1'
const keys = {
  'P-256': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'P-384': () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  'P-521': () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  'RSA-2048': () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  'RSA-3072': () => generateKeyPairSync('rsa', { modulusLength: 3072 }),
  Ed25519: () => generateKeyPairSync('ed25519'),
}
type KeyName = keyof typeof keys
const keyNames = Object.keys(keys) as KeyName[]

const ways: readonly Way[] = [
  ...cosignVersions.flatMap((version) => keyNames.map((key) => cosignSignature(version, key))),
  ...cosignVersions.map((version) => cosignAttestation(version)),
  ...(['skopeo-1.18', 'skopeo-1.22'] as const).map((version) => skopeoSignature(version)),
  ...(['jws', 'cose'] as const).flatMap((format) =>
    keyNames.filter((key) => key !== 'Ed25519').map((key) => notationSignature(format, key)),
  ),
]

describe('what others sign', () => {
  const { skip, paths } = findPeers(
    'cosign',
    'cosign-2.5',
    'notation',
    'skopeo-1.18',
    'skopeo-1.22',
    'openssl',
  )
  let product: Product
  let tools: SigningTools

  before(async () => {
    if (skip) return
    product = await startProduct()
    tools = new SigningTools(paths, product)
  })
  after(async () => {
    if (!skip) await product.stop()
  })

  for (const [number, way] of ways.entries()) {
    const repository = `interop/way-${number}`
    const { claim = signatureClaim, format } = way

    test(`${way.name}: counts as its signer's, for this image only`, { skip }, async () => {
      const [image, other] = [await push(repository, 'signed'), await push(repository, 'other')]
      const signer = await way.sign(tools, repository, image.digest)

      const found = (await verify(repository, image, [signer])).claims
      assert.deepEqual(
        found.map((one) => [one.claim, one.signer, one.format, one.manifest === image.digest]),
        [[claim, 'signer', format, false]],
      )
      assert.equal(found[0]?.reference, way.reference?.(`${product.host}/${repository}`))

      const stranger = await verify(repository, image, [strangerLike(signer)])
      assert.deepEqual(stranger.claims, [])
      assert.ok(stranger.rejections.some((one) => one.format === format && one.status === 'untrusted'))

      const target = { url: product.url, authorization: product.basic() }
      const copied = await replaySignatures(target, { repository, image }, { repository, image: other })
      assert.ok(copied > 0)
      const replayed = await verify(repository, other, [signer])
      assert.deepEqual(replayed.claims, [])
      assert.ok(replayed.rejections.some((one) => one.format === format))
    })
  }

  for (const [number, way] of ways.entries()) {
    if (/with (?!P-256)/.test(way.name)) continue

    test(`${way.name}: the server counts it where a policy names the signer`, { skip }, async () => {
      const repository = `named/way-${number}`
      const { digest } = await push(repository, 'signed')
      await push(repository, 'unsigned')
      const signer = await way.sign(tools, repository, digest)
      await addSigner(product, { ...signer, name: `way-${number}` })
      await addSigner(product, { ...strangerLike(signer), name: `stranger-${number}` })
      const good = await testPolicy(`${repository}:signed`, way, `way-${number}`)
      assert.equal(good.code, 0, good.stdout)
      for (const [tag, name] of [
        ['signed', `stranger-${number}`],
        ['unsigned', `way-${number}`],
      ] as const) {
        const bad = await testPolicy(`${repository}:${tag}`, way, name)
        assert.notEqual(bad.code, 0)
        assert.match(bad.stdout, /missing is an? (signature|attestation)/)
      }
    })
  }

  test('an attestation is no signature, whoever wrote it', { skip }, async () => {
    for (const version of cosignVersions) {
      const image = await push('interop/attested', version)
      const signer = await cosignAttestation(version).sign(tools, 'interop/attested', image.digest)
      assert.equal((await verify('interop/attested', image, [signer])).status, 'unsigned')
    }
  })

  test('two signatures of one signer by two tools are two claims of one name', { skip }, async () => {
    const image = await push('interop/twice', 'twice')
    const { privateKey, signer } = keyPair('P-256')
    for (const version of cosignVersions) {
      await tools.signWithCosign(version, { privateKey }, `interop/twice@${image.digest}`)
    }
    const { claims } = await verify('interop/twice', image, [signer])
    assert.deepEqual(claims.map(({ format }) => format).toSorted(), ['cosign-legacy', 'sigstore-bundle'])
    assert.deepEqual([...new Set(claims.map((one) => one.signer))], ['signer'])
  })

  /** What `pratique policy test` says when one signer has to have said what the way says. */
  async function testPolicy(image: string, { claim = signatureClaim }: Way, signer: string): Promise<Ran> {
    const conditions = claim === signatureClaim ? [] : ["predicate.result == 'PASSED'"]
    const signatures = { require: [{ name: 'asked', claim, signers: [signer], conditions }] }
    const file = join(product.folder, 'policy.json')
    writeFileSync(file, JSON.stringify({ stages: [{ name: 'all', prefix: 'named', rules: { signatures } }] }))
    const ran = await product.cli(['policy', 'test', image, '--policy', file])
    return { ...ran, stdout: ran.stdout.replaceAll(/\s+/g, ' ') }
  }

  async function push(repository: string, tag: string): Promise<BuiltImage> {
    const image = await buildImage({ layers: [{ 'name.txt': `${repository}:${tag}` }] })
    await pushImage({ url: product.url, authorization: product.basic() }, repository, tag, image)
    return image
  }

  function verify(
    repository: string,
    { digest, mediaType, manifest }: BuiltImage,
    signers: readonly Signer[],
  ): Promise<Verification> {
    const evidence = registryEvidence(product.url, product.basic(), repository)
    return verifyImage(evidence, { digest, mediaType, size: manifest.length }, signers, Date.now())
  }
})

function cosignSignature(version: CosignVersion, key: KeyName): Way {
  return {
    name: `${version} sign with ${key}`,
    format: cosignFormats[version],
    ...(version === 'cosign' ? {} : { reference: (repository) => repository }),
    async sign(tools, repository, digest) {
      const { privateKey, signer } = keyPair(key)
      await tools.signWithCosign(version, { privateKey }, `${repository}@${digest}`)
      return signer
    },
  }
}

function cosignAttestation(version: CosignVersion): Way {
  return {
    name: `${version} attest`,
    format: cosignFormats[version],
    claim: predicateType,
    reference: (repository) => repository,
    async sign(tools, repository, digest) {
      const { privateKey, signer } = keyPair('P-256')
      const statement = { predicateType, predicate: { result: 'PASSED' } }
      await tools.attestWithCosign(version, { privateKey }, `${repository}@${digest}`, statement)
      return signer
    },
  }
}

function skopeoSignature(version: SkopeoVersion): Way {
  return {
    name: `${version} copy`,
    format: 'cosign-legacy',
    reference: (repository) => `${repository}:signed`,
    async sign(tools, repository) {
      const { privateKey, signer } = keyPair('P-256')
      await tools.signWithSkopeo(version, { privateKey }, `${repository}:signed`)
      return signer
    },
  }
}

function notationSignature(format: 'jws' | 'cose', key: KeyName): Way {
  return {
    name: `notation sign as ${format} with ${key}`,
    format: 'notation',
    async sign(tools, repository, digest) {
      const codeSigner = makeCodeSigner(release, makeCodeAuthority(), keys[key]())
      await tools.signWithNotation(format, codeSigner, `${repository}@${digest}`)
      return notationSigner(codeSigner)
    },
  }
}

function keyPair(name: KeyName): { readonly privateKey: string; readonly signer: Signer } {
  const { privateKey, publicKey } = keys[name]()
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    signer: {
      name: 'signer',
      state: 'active',
      identity: { kind: 'key', publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string },
    },
  }
}

function notationSigner({ root }: CodeSigner): Signer {
  const subject = 'C=DE, ST=Hamburg, O=Harbour, CN=Release'
  const identity = { kind: 'notation', authorities: [root], timestampAuthorities: [], subject } as const
  return { name: 'signer', state: 'active', identity }
}

/** Somebody of the same kind, even of the same name, who did not sign. */
function strangerLike({ identity }: Signer): Signer {
  if (identity.kind !== 'notation') return keyPair('P-256').signer
  return notationSigner(makeCodeSigner(release))
}
