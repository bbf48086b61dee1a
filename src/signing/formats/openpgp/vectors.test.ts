import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  judgeMessage,
  readOpenpgpTestdata as read,
  signerOf,
} from '../../../../test/fixtures/openpgp-messages.ts'
import { digestOf } from '../../../kernel/digest.ts'
import type { Claim, Rejection } from '../../types.ts'

const upstream = signerOf(read('containers-image/public-key.gpg').toString())
const ours = signerOf(read('gpg/public.asc').toString())

function judge(signature: string, manifest: string, signer = upstream): Promise<Claim | Rejection> {
  return judgeMessage(read(signature), digestOf(read(manifest)), [signer])
}

const image = 'containers-image/image.manifest.json'
const accepted = [
  ['gpg/signature-1', 'gpg/manifest.json', '127.0.0.1:5007/gpg/app:1.0', 1_795_431_779_000, ours],
  ['containers-image/image.signature', image, 'testing/manifest', 1_458_239_713_000, upstream],
  ['containers-image/no-optional-fields.signature', image, 'testing/manifest', 1_750_709_052_000, upstream],
  [
    'containers-image/dir-img-valid/signature-1',
    'containers-image/dir-img-valid/manifest.json',
    'testing/manifest:latest',
    1_464_398_954_000,
    upstream,
  ],
] as const
for (const [signature, manifest, reference, claimedAt, signer] of accepted) {
  test(`${signature} is verified for the name and the time that it gives`, async () => {
    assert.deepEqual(await judge(signature, manifest, signer), {
      status: 'verified',
      claim: 'signature',
      reference,
      format: 'openpgp',
      manifest: digestOf('manifest'),
      layer: digestOf(read(signature)),
      signer: 'release',
      keyAlgorithm: 'rsa',
      claimedAt,
      isLogged: false,
      isTimestamped: false,
    })
  })
}

const modified = 'containers-image/dir-img-modified-manifest'
const rejected = [
  ['of another key', 'gpg/signature-1', 'gpg/manifest.json', upstream, 'untrusted', /no trusted key/],
  ['of another manifest', 'gpg/signature-1', image, ours, 'malformed', /another image/],
  [
    'of a manifest that was changed',
    `${modified}/signature-1`,
    `${modified}/manifest.json`,
    upstream,
    'malformed',
    /another image/,
  ],
  [
    'that has expired',
    'containers-image/expired.signature',
    image,
    upstream,
    'untrusted',
    /Signature is expired/,
  ],
  [
    'of a key that nobody knows',
    'containers-image/unknown-key.signature',
    image,
    upstream,
    'untrusted',
    /no trusted key/,
  ],
  [
    'that is content without a signature',
    'containers-image/unsigned-literal.signature',
    image,
    upstream,
    'malformed',
    /not signed/,
  ],
] as const
for (const [name, signature, manifest, signer, status, why] of rejected) {
  test(`a signature ${name} is ${status}`, async () => {
    const outcome = await judge(signature, manifest, signer)
    assert.equal(outcome.status, status)
    assert.match(outcome.why, why)
  })
}
