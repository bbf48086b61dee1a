import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { test } from 'node:test'
import { initializeTSA } from '@sigstore/mock'
import { parseTrustedRoot } from '../../trusted-roots/parse-trusted-root.ts'
import { proveTime, type Proof } from './prove-time.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const message = Buffer.from('what is signed')
const signature = sign('sha256', message, privateKey)
const content = { message, payload: message, signature, stamped: signature }
/** Within the certificates of authorities that are made now. */
const second = (Math.floor(Date.now() / 1000) + 3_600) * 1000

/** What an authority says whose clock stands at this time, and what a root says that believes it. */
async function stamp(at: number, stamped = signature): Promise<{ der: Buffer; trustedRoot: string }> {
  const authority = await initializeTSA(generateKeyPairSync('ec', { namedCurve: 'P-256' }), new Date(at))
  const answer = await authority.timestamp({
    artifactHash: createHash('sha256').update(stamped).digest(),
    hashAlgorithmOID: '2.16.840.1.101.3.4.2.1',
    nonce: 1,
    policyOID: '1.3.6.1.4.1.57264.2',
  })
  const bytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer =>
    Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength)
  const certificates = [authority.intCertificate, authority.rootCertificate].map((certificate) => ({
    rawBytes: bytes(certificate).toString('base64'),
  }))
  const start = new Date(second - 86_400_000).toISOString()
  const trustedRoot = JSON.stringify({
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [],
    ctlogs: [],
    certificateAuthorities: [],
    timestampAuthorities: [{ certChain: { certificates }, validFor: { start } }],
  })
  return { der: bytes(answer), trustedRoot }
}

async function prove({ der, trustedRoot }: { der: Buffer; trustedRoot: string }): Promise<Proof> {
  const material = { certificates: [], logEntries: [], timestamps: [der] }
  return proveTime(content, material, { key: publicKey }, await parseTrustedRoot(trustedRoot), second)
}

for (const milliseconds of [0, 1, 10, 100, 120, 123, 500, 999]) {
  test(`a timestamp of ${milliseconds} ms past a second proves that second`, async () => {
    const proof = await prove(await stamp(second + milliseconds))
    assert.deepEqual(proof, { times: [second], isLogged: false, isTimestamped: true })
  })
}

test('a timestamp whose time was changed, or is none, proves nothing', async () => {
  const { der, trustedRoot } = await stamp(second + 120)
  const written = new Date(second + 120).toISOString().replaceAll(/[-:T]/g, '').replace('0Z', 'Z')
  const at = der.indexOf(written)
  assert.ok(at > 0, written)
  for (const change of ['.13Z', '.1aZ', '..2Z', '.12 ', '.12+', '9.1Z', '    ']) {
    const changed = Buffer.from(der)
    changed.write(change, at + written.length - 4, 'latin1')
    await assert.rejects(prove({ der: changed, trustedRoot }), change)
  }
})

test('a timestamp of another signature proves nothing', async () => {
  await assert.rejects(prove(await stamp(second, Buffer.from('another signature'))))
})
