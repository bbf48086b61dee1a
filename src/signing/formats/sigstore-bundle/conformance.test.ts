import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestOf } from '../../../kernel/digest.ts'
import { seededRandom } from '../../../../test/fixtures/seeded-random.ts'
import type { Claim, Rejection, Signer, SignerIdentity } from '../../types.ts'
import { verifyBlobBundle } from './verify-blob-bundle.ts'

const testdata = join(import.meta.dirname, 'testdata')
const folder = join(testdata, 'sigstore-conformance')
const now = Date.parse('2026-11-25T00:00:00Z')
const beacon =
  'https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main'
const githubActions = 'https://token.actions.githubusercontent.com'

const cases = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())

/** A file of a case, or what holds for all where it has none (README of the suite). */
function read(name: string, file: string, fallback: string): string {
  const path = join(folder, name, file)
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : fallback
}

function signerOf(name: string): Signer {
  const trustedRoot = read(
    name,
    'trusted_root.json',
    readFileSync(join(testdata, 'public-trusted-root.json'), 'utf8'),
  )
  const publicKey = read(name, 'key.pub', '')
  if (publicKey !== '')
    return { name: 'case', identity: { kind: 'key', publicKey, trustedRoot }, state: 'active' }
  const subject = read(name, 'identity', beacon)
  const issuer = read(name, 'issuer', githubActions)
  return {
    name: 'case',
    identity: { kind: 'certificate', trustedRoot, subject, match: 'exact', issuer },
    state: 'active',
  }
}

interface Ends {
  validFor?: { end?: string }
  publicKey?: { validFor?: { end?: string } }
}

test('the suite has 43 cases', () => assert.equal(cases.length, 43))

/** The file and the bundle of a case. */
function load(name: string): { readonly bytes: Buffer; readonly bundle: Buffer } {
  const own = join(folder, name, 'artifact')
  const bytes = readFileSync(existsSync(own) ? own : join(folder, 'a.txt'))
  return { bytes, bundle: readFileSync(join(folder, name, 'bundle.sigstore.json')) }
}

function verify(bundle: Buffer, bytes: Buffer, signer: Signer): Promise<Claim | Rejection> {
  return verifyBlobBundle(bundle, { digest: digestOf(bytes), bytes }, [signer], now)
}

for (const { name } of cases) {
  const isBad = name.endsWith('_fail')
  test(`sigstore-conformance: ${name} is ${isBad ? 'refused' : 'verified'}`, async () => {
    const { bytes, bundle } = load(name)
    const outcome = await verify(bundle, bytes, signerOf(name))
    assert.equal(outcome.status === 'verified', !isBad, JSON.stringify(outcome))
  })
}

test('a timestamp of another time than the certificate is refused for its time, not only for its base64', async () => {
  const name = 'rekor2-timestamp-with-incorrect-time_fail'
  const { bytes, bundle } = load(name)
  const document = JSON.parse(bundle.toString()) as {
    verificationMaterial: { timestampVerificationData: { rfc3161Timestamps: { signedTimestamp: string }[] } }
  }
  for (const timestamp of document.verificationMaterial.timestampVerificationData.rfc3161Timestamps) {
    timestamp.signedTimestamp = Buffer.from(timestamp.signedTimestamp, 'base64').toString('base64')
  }
  const outcome = await verify(Buffer.from(JSON.stringify(document)), bytes, signerOf(name))
  assert.ok(outcome.status === 'untrusted')
  assert.match(outcome.why, /not valid at/)
})

for (const what of ['tlogs', 'ctlogs', 'certificateAuthorities', 'timestampAuthorities'] as const) {
  test(`what was signed after the end of the ${what} of the root is refused`, async () => {
    const name = 'rekor2-happy-path'
    const { bytes, bundle } = load(name)
    const root = JSON.parse(read(name, 'trusted_root.json', '')) as Record<typeof what, Ends[]>
    for (const entry of root[what]) (entry.publicKey ?? entry).validFor!.end = '2025-06-12T12:00:00Z'
    const { identity } = signerOf(name)
    const ended = { ...identity, trustedRoot: JSON.stringify(root) } as SignerIdentity
    const outcome = await verify(bundle, bytes, { name, identity: ended, state: 'active' })
    assert.equal(outcome.status, 'untrusted')
  })
}

test('another key than the one that signed is refused, not only one that cannot be read', async () => {
  const { bytes, bundle } = load('managed-key-happy-path')
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const outcome = await verify(bundle, bytes, {
    name: 'other',
    identity: { kind: 'key', publicKey: pem },
    state: 'active',
  })
  assert.equal(outcome.status, 'untrusted')
})

test('no change of a byte in a good bundle changes what is verified, and none in its file passes', async () => {
  let refused = 0
  for (const [seed, { name }] of cases.filter((entry) => !entry.name.endsWith('_fail')).entries()) {
    const random = seededRandom(seed + 1)
    const { bytes, bundle } = load(name)
    const signer = signerOf(name)
    const { manifest: _, layer: __, ...original } = await verify(bundle, bytes, signer)
    for (let count = 0; count < 60; count++) {
      const changed = Buffer.from(bundle)
      const at = Math.floor(random() * changed.length)
      changed[at] = (changed[at] ?? 0) ^ (1 << Math.floor(random() * 8))
      const { manifest: ___, layer: ____, ...outcome } = await verify(changed, bytes, signer)
      if (outcome.status === 'verified') assert.deepEqual(outcome, original)
      else refused++
    }
    const file = Buffer.from(bytes)
    file[Math.floor(random() * file.length)]! ^= 1
    assert.notEqual((await verify(bundle, file, signer)).status, 'verified', name)
  }
  assert.ok(refused > 600, `${refused} were refused`)
})
