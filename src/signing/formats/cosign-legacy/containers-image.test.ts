import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestOf } from '../../../kernel/digest.ts'
import { trustedRootFromCertificates } from '../../trusted-roots/index.ts'
import type { Attachment, Claim, Rejection, SignerIdentity } from '../../types.ts'
import { cosignLegacy } from './index.ts'

const folder = join(import.meta.dirname, 'testdata', 'containers-image')
const now = Date.parse('2026-11-25T00:00:00Z')

interface Signature {
  readonly mimeType: string
  readonly payload: string
  readonly annotations: Record<string, string>
}

/** A folder as it would hang on an image: its signature as a layer under the `.sig` tag. */
async function judge(
  name: string,
  identity: SignerIdentity,
  change: object = {},
): Promise<Claim | Rejection | undefined> {
  const file = readFileSync(join(folder, name, 'signature-1'))
  const json = JSON.parse(file.subarray(file.indexOf('\n') + 1).toString()) as Signature
  const manifest = readFileSync(join(folder, name, 'manifest.json'))
  const bytes = Buffer.from(json.payload, 'base64')
  const annotations = { ...json.annotations, ...change }
  const layer = { mediaType: json.mimeType, digest: digestOf(bytes), size: bytes.length, annotations }
  const attachment: Attachment = {
    digest: digestOf(name),
    via: 'sig-tag',
    artifactType: undefined,
    annotations: {},
    layers: [layer],
  }
  const [found] = cosignLegacy.envelopesOf(attachment)
  if (!found) return undefined
  const subject = { digest: digestOf(manifest), mediaType: '', size: manifest.length }
  const signers = [{ name: 'release', identity, state: 'active' as const }]
  return cosignLegacy.verify({ attachment, layer: found, bytes }, { subject, signers, now })
}

function key(file: string): string {
  return readFileSync(join(folder, file), 'utf8')
}

const plain: SignerIdentity = { kind: 'key', publicKey: key('cosign.pub') }

/** A root with nothing in it but a log; its start has to be before the entry, of January 2023. */
function logged(log: string): SignerIdentity {
  const root = JSON.parse(trustedRootFromCertificates({ authorities: [authority], rekorKeys: [log] })) as {
    tlogs: { publicKey: { validFor: object } }[]
  }
  for (const { publicKey } of root.tlogs) publicKey.validFor = { start: '2021-01-01T00:00:00Z' }
  return { kind: 'key', publicKey: key('cosign2.pub'), trustedRoot: JSON.stringify(root) }
}

const authority = readFileSync(
  join(import.meta.dirname, '../../../../test/fixtures/signing-vectors/interop/trust/pki-root.pem'),
  'utf8',
)

test('cosign and skopeo signatures of containers/image are verified for the name that they give', async () => {
  for (const [name, reference] of [
    ['dir-img-cosign-valid', '192.168.64.2:5000/cosign-signed-single-sample'],
    ['dir-img-cosign-valid-with-tag', '192.168.64.2:5000/skopeo-signed:tag'],
  ] as const) {
    const outcome = await judge(name, plain)
    assert.equal(outcome?.status, 'verified', JSON.stringify(outcome))
    assert.equal(outcome?.reference, reference)
  }
})

test('a promise of Rekor is verified with the key of the log, and gives the time', async () => {
  const outcome = await judge('dir-img-cosign-key-rekor-valid', logged(key('rekor.pub')))
  assert.ok(outcome?.status === 'verified', JSON.stringify(outcome))
  assert.equal(outcome.provenAt, 1_674_251_859_000)
  assert.equal(outcome.isLogged, true)
})

test('a promise of another log, or for another signature, is refused', async () => {
  const otherLog = await judge('dir-img-cosign-key-rekor-valid', logged(key('cosign.pub')))
  assert.equal(otherLog?.status, 'untrusted')
  const bundleOf = (name: string): string => {
    const file = readFileSync(join(folder, name, 'signature-1')).toString()
    return (JSON.parse(file.slice(file.indexOf('\n'))) as Signature).annotations[
      'dev.sigstore.cosign/bundle'
    ]!
  }
  const swapped = { 'dev.sigstore.cosign/bundle': bundleOf('dir-img-cosign-key-rekor-valid') }
  const root = { ...logged(key('rekor.pub')), publicKey: key('cosign.pub') }
  assert.equal((await judge('dir-img-cosign-valid', root))?.status, 'verified')
  assert.equal((await judge('dir-img-cosign-valid', root, swapped))?.status, 'untrusted')
})

test('a signature of a manifest that was changed afterwards is about another image', async () => {
  const outcome = await judge('dir-img-cosign-modified-manifest', plain)
  assert.equal(outcome?.status, 'malformed')
})

test('text in a layer of another type is no signature, whatever its annotations', async () => {
  assert.equal(await judge('dir-img-cosign-other-attachment', plain), undefined)
})
