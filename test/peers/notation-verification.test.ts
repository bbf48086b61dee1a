import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Signer } from '../../src/signing/offline.ts'
import { buildImage, type BuiltImage } from '../fixtures/build-image.ts'
import { makeCodeAuthority, makeCodeSigner, type CodeSigner } from '../fixtures/code-signer.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { replaySignatures } from '../fixtures/replay-signatures.ts'
import { addSigner, askInProd, exportPolicy } from '../fixtures/signing-policy.ts'
import { SigningTools } from '../fixtures/signing-tools.ts'
import { runToEnd, startProduct, type Product } from '../fixtures/start-product.ts'
import { findPeers } from './peer.ts'

const release = '/C=DE/ST=Hamburg/O=Harbour/CN=Release'
const other = '/C=DE/ST=Hamburg/O=Harbour/CN=Canteen'
const cases: readonly (readonly [image: string, refused: RegExp | undefined, about: string])[] = [
  ['prod/shop:jws', undefined, 'signed as JWS'],
  ['prod/shop:cose', undefined, 'signed as COSE'],
  ['dev/shop:unsigned', /no applicable trust policy statement/, 'of a repository that was not exported'],
  ['prod/shop:unsigned', /no signature is associated/, 'unsigned'],
  ['prod/shop:stranger', /chain does not contain any trusted certificate/, 'of another authority'],
  [
    'prod/shop:name',
    /does not match the X\.509 trusted identities/,
    'of the same authority and another name',
  ],
  ['prod/shop:replayed', /content descriptor mismatch/, 'with the signature of another image'],
]

describe('notation with the exported trust policy', () => {
  const { skip, paths } = findPeers('notation', 'openssl')
  let product: Product
  let folder: string

  before(async () => {
    if (skip) return
    product = await startProduct()
    folder = mkdtempSync(join(tmpdir(), 'pratique-notation-'))
    const authority = makeCodeAuthority()
    const codeSigner = makeCodeSigner(release, authority)
    await fill(product, new SigningTools(paths, product), codeSigner, makeCodeSigner(other, authority))
    await addSigner(product, signerOf(codeSigner))
    await askInProd(product, { formats: ['notation'], require: [{ name: 'release', signers: ['release'] }] })
    await exportPolicy(product, 'notation', folder, '--repositories', 'prod/shop')
  })
  after(async () => {
    if (skip) return
    await product.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  for (const [image, refused, about] of cases) {
    test(`it ${refused ? 'refuses' : 'accepts'} an image ${about}`, { skip }, async () => {
      const login = ['-u', 'admin', '-p', product.password]
      const ran = await runToEnd(
        paths.notation,
        ['verify', '--verbose', '--insecure-registry', ...login, `${product.host}/${image}`],
        {
          HOME: folder,
          XDG_CONFIG_HOME: folder,
        },
      )
      const printed = ran.stdout + ran.stderr
      assert.equal(ran.code === 0, refused === undefined, printed)
      if (refused) assert.match(printed, refused)
    })
  }
})

async function fill(
  product: Product,
  tools: SigningTools,
  codeSigner: CodeSigner,
  named: CodeSigner,
): Promise<void> {
  const target = { url: product.url, authorization: product.basic() }
  const push = async (name: string): Promise<BuiltImage> => {
    const [repository = '', tag = ''] = name.split(':')
    const image = await buildImage({ layers: [{ 'name.txt': name }] })
    await pushImage(target, repository, tag, image)
    return image
  }
  const sign = async (tag: string, by = codeSigner, format: 'jws' | 'cose' = 'jws'): Promise<BuiltImage> => {
    const image = await push(`prod/shop:${tag}`)
    await tools.signWithNotation(format, by, `prod/shop@${image.digest}`)
    return image
  }
  await push('dev/shop:unsigned')
  await push('prod/shop:unsigned')
  const signed = await sign('jws')
  await sign('cose', codeSigner, 'cose')
  await sign('name', named)
  await sign('stranger', makeCodeSigner(release))
  const from = { repository: 'prod/shop', image: signed }
  await replaySignatures(target, from, { repository: 'prod/shop', image: await push('prod/shop:replayed') })
}

function signerOf({ root }: CodeSigner): Signer {
  const subject = 'C=DE, ST=Hamburg, O=Harbour, CN=Release'
  const identity = { kind: 'notation', authorities: [root], timestampAuthorities: [], subject } as const
  return { name: 'release', state: 'active', identity }
}
