import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { after, test } from 'node:test'
import fc from 'fast-check'
import {
  readVectorFile,
  vectorCases,
  vectorSource,
  vectorSubject,
  type VectorCase,
} from '../../test/fixtures/vector-source.ts'
import { digestOf, type Digest } from '../kernel/digest.ts'
import type { SignaturePolicy } from '../policy/offline.ts'
import type { NodeConfig, RuntimeTrust } from '../runtime/offline.ts'
import { clauseOf, policyOf, trustOf } from '../runtime/exports/testing-trust.ts'
import { signStatement, type EvidenceSource, type ServerKey, type Signer } from '../signing/index.ts'
import type { Answer } from './judge-image.ts'
import { normalizeHost } from './normalize-host.ts'
import { descriptorMediaType, readReference } from './read-call.ts'
import { makeNode, makeServerKey, signTrust, type TestNode } from '../../test/fixtures/make-node.ts'
import { verifyOnNode, type VerifierParts } from './verify-image.ts'

const registry = '127.0.0.1:5007'
const folders: string[] = []
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true })))

const vector = (id: string): VectorCase => {
  const found = vectorCases().find((one) => one.id === id)
  assert.ok(found, id)
  return found
}
const k3: Signer = {
  name: 'k3',
  state: 'active',
  identity: { kind: 'key', publicKey: readVectorFile('trust/k3.pub') },
}
const keyless: Signer = {
  name: 'keyless',
  state: 'active',
  identity: {
    kind: 'certificate',
    trustedRoot: readVectorFile('trust/keyless-trusted_root.json'),
    subject: 'builder@pratique.test',
    match: 'exact',
    issuer: 'https://idp.pratique.test',
  },
}

function nodeWith(
  policy: SignaturePolicy | undefined,
  more: {
    signers?: Signer[]
    config?: Partial<NodeConfig>
    trust?: Partial<RuntimeTrust>
    key?: ServerKey
  } = {},
): TestNode {
  const scopes = [{ repositories: '**', signatures: policy }]
  const trust = trustOf(scopes, more.signers ?? [k3, keyless], { registry, ...more.trust })
  const node = makeNode(trust, more.config, more.key)
  folders.push(node.root)
  return node
}

function call(
  node: TestNode,
  one: VectorCase,
  more: Partial<VerifierParts> & { name?: string; digest?: Digest } = {},
): Promise<Answer> {
  const subject = vectorSubject(one, more.digest ?? one.subject)
  return verifyOnNode(
    [
      '-name',
      more.name ?? one.reference,
      '-digest',
      subject.digest,
      '-stdin-media-type',
      descriptorMediaType,
    ],
    {
      configPath: node.configPath,
      readInput: async () => `${JSON.stringify(subject)}\n`,
      now: () => Date.UTC(2026, 10, 26),
      sourceOf: () => vectorSource(one),
      ...more,
    },
  )
}

const k3Signs = policyOf([clauseOf('release', ['k3'])])
const verdicts: readonly [id: string, policy: SignaturePolicy, isAllowed: boolean, reason: RegExp][] = [
  ['skopeo-1.18-key', k3Signs, true, /signed by 1 of k3: k3/],
  ['cosign-3.1-key', k3Signs, true, /signed by 1 of k3: k3/],
  ['keyless-bundle', policyOf([clauseOf('ci', ['keyless'])]), true, /: keyless/],
  ['cosign-2.5-key', k3Signs, false, /missing is a signature of k3/],
  ['bundle-attestation-only', k3Signs, false, /unsigned|no signature counts/],
  ['legacy-other-repo', k3Signs, false, /not this repository/],
  [
    'legacy-other-tag',
    policyOf([clauseOf('release', ['k3'])], { bindReference: 'repository' }),
    true,
    /: k3/,
  ],
  [
    'legacy-other-tag',
    policyOf([clauseOf('release', ['k3'])], { bindReference: 'tag' }),
    false,
    /not for the tag 1\.0/,
  ],
  ['skopeo-1.18-key', policyOf([clauseOf('release', ['k3'])], { bindReference: 'tag' }), true, /: k3/],
  ['skopeo-1.18-key', policyOf([clauseOf('both', ['k3', 'keyless'], { threshold: 2 })]), false, /so far k3/],
  ['skopeo-1.18-key', policyOf([clauseOf('release', ['k3'])], { requireLog: true }), false, /log/],
  ['bundle-other-digest', k3Signs, false, /no signature counts|unsigned/],
]

for (const [id, policy, isAllowed, reason] of verdicts) {
  test(`${id} is ${isAllowed ? 'allowed' : 'refused'} (${policy.bindReference}, ${policy.clauses.map(({ name }) => name).join()}${policy.requireLog ? ', logged' : ''})`, async () => {
    const answer = await call(nodeWith(policy), vector(id))
    assert.equal(answer.isAllowed, isAllowed, answer.reason)
    assert.match(answer.reason, reason)
  })
}

test('a mode that does not refuse allows what does not hold, and says so', async () => {
  const answer = await call(nodeWith({ ...k3Signs, mode: 'warn' }), vector('cosign-2.5-key'))
  assert.equal(answer.isAllowed, true)
  assert.match(answer.reason, /although it does not hold, as the mode is warn/)
})

test('where the policy asks nothing, an unsigned image is allowed', async () => {
  assert.equal((await call(nodeWith(undefined), vector('cosign-2.5-key'))).isAllowed, true)
})

test('images of other registries are refused unless they are accepted', async () => {
  const one = vector('skopeo-1.18-key')
  const name = 'docker.io/library/busybox:1.36'
  const refused = await call(nodeWith(k3Signs), one, { name })
  assert.equal(refused.isAllowed, false)
  assert.match(refused.reason, /docker\.io is not 127\.0\.0\.1:5007/)
  const accepting = nodeWith(k3Signs, { config: { others: 'accept' } })
  assert.equal((await call(accepting, one, { name })).isAllowed, true)
})

test('another way of writing the same host is no way round the policy', async () => {
  const trust = { registry: 'registry.test' }
  const node = nodeWith(k3Signs, { config: { registry: 'registry.test', others: 'accept' }, trust })
  for (const host of [
    'REGISTRY.test',
    'registry.test.',
    'registry.test:443',
    'Registry.Test.:443',
    'registry.test:80',
  ]) {
    const answer = await call(node, vector('cosign-2.5-key'), { name: `${host}/prod/x:1.0` })
    assert.equal(answer.isAllowed, false, host)
  }
  assert.equal(normalizeHost('Registry.Test:5000'), 'registry.test:5000')
})

const server: Signer = { ...k3, name: 'server' }

test('with the word of the server alone, its signature stands for what others had to sign', async () => {
  const policy = policyOf([clauseOf('sbom', ['someone'], { claim: 'https://spdx.dev/Document' })])
  const config = { signer: 'server' } as const
  const node = nodeWith(policy, { signers: [server], config })
  assert.equal((await call(node, vector('skopeo-1.18-key'))).isAllowed, true)
  assert.equal((await call(node, vector('legacy-other-repo'))).isAllowed, false)
  // A signature that names no repository could have been copied here.
  assert.equal((await call(node, vector('cosign-3.1-key'))).isAllowed, false)
  const other = nodeWith(policy, { signers: [keyless], config })
  assert.equal((await call(other, vector('skopeo-1.18-key'))).isAllowed, false)
})

const summaries: readonly [what: string, predicate: object, isAllowed: boolean][] = [
  ['that passed here', { verificationResult: 'PASSED', resourceUri: `${registry}/prod/x:1.0` }, true],
  ['with a scheme', { verificationResult: 'PASSED', resourceUri: `oci://${registry}/prod/x` }, true],
  [
    'as the server writes it',
    {
      verificationResult: 'PASSED',
      resourceUri: `oci://prod/x@${vector('cosign-2.5-key').subject}`,
    },
    true,
  ],
  [
    'of another digest',
    { verificationResult: 'PASSED', resourceUri: `oci://prod/x@${digestOf('other')}` },
    false,
  ],
  ['that FAILED', { verificationResult: 'FAILED', resourceUri: `${registry}/prod/x:1.0` }, false],
  ['of another repository', { verificationResult: 'PASSED', resourceUri: `${registry}/dev/x:1.0` }, false],
  ['of nothing', { verificationResult: 'PASSED' }, false],
  ['that is empty', {}, false],
]

for (const [what, predicate, isAllowed] of summaries) {
  test(`a verification summary of the server alone ${isAllowed ? 'lets' : 'does not let'} a node accept the image: one ${what}`, async () => {
    const key = makeServerKey()
    const signer: Signer = {
      name: 'server',
      state: 'active',
      identity: { kind: 'key', publicKey: key.publicKeyPem },
    }
    const node = nodeWith(policyOf([clauseOf('release', ['someone'])]), {
      signers: [signer],
      trust: { names: { hosts: [registry], mirrors: {} } },
      config: { signer: 'server' },
      key,
    })
    const one = vector('cosign-2.5-key')
    const sourceOf = (): EvidenceSource => summarySource(key, one.subject, predicate)
    const answer = await call(node, one, { name: `${registry}/prod/x:1.0`, sourceOf })
    assert.equal(answer.isAllowed, isAllowed, answer.reason)
    // Where every clause is to be verified, the summary is not what is asked.
    const strict = nodeWith(policyOf([clauseOf('release', ['someone'])]), { signers: [signer], key })
    assert.equal((await call(strict, one, { name: `${registry}/prod/x:1.0`, sourceOf })).isAllowed, false)
  })
}

/** A repository in which one attestation of the server hangs on a digest. */
function summarySource(key: ServerKey, subject: Digest, predicate: object): EvidenceSource {
  const bundleType = 'application/vnd.dev.sigstore.bundle.v0.3+json'
  const statement = {
    subject: { name: 'x', digest: subject },
    predicateType: 'https://slsa.dev/verification_summary/v1',
    predicate,
  }
  const bundle = signStatement(key, statement)
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      artifactType: bundleType,
      config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf('{}'), size: 2 },
      layers: [{ mediaType: bundleType, digest: digestOf(bundle), size: bundle.length }],
      subject: { mediaType, digest: subject, size: 7 },
    }),
  )
  return {
    findTag: async () => undefined,
    findManifest: async (digest) =>
      digest === digestOf(manifest) ? { bytes: manifest, mediaType } : undefined,
    listReferrers: async () => [digestOf(manifest)],
    readBlob: async () => bundle,
  }
}

const good = vector('skopeo-1.18-key')
const broken: readonly [
  what: string,
  breakIt: (node: TestNode) => Partial<VerifierParts> | void,
  reason: RegExp,
][] = [
  [
    'there is no configuration',
    (node) => rmSync(node.configPath),
    /node\.json cannot be read: there is none; write it with/,
  ],
  ['the configuration is no JSON', (node) => writeFileSync(node.configPath, '{'), /node\.json: /],
  [
    'the configuration has a key twice',
    (node) =>
      writeFileSync(
        node.configPath,
        readFileSync(node.configPath, 'utf8').replace('{', '{"others":"accept",'),
      ),
    /stands twice/,
  ],
  ['the configuration is empty', (node) => writeFileSync(node.configPath, '{}'), /node\.json: /],
  [
    'there is no trust',
    (node) => rmSync(node.configPath.replace('node.json', 'trust.json')),
    /trust\.json cannot be read.*node refresh/,
  ],
  [
    'the trust is signed by another key',
    (node) =>
      writeFileSync(
        node.configPath.replace('node.json', 'trust.json'),
        signTrust(
          makeServerKey(),
          trustOf([{ repositories: '**', signatures: undefined }], [k3], { registry }),
        ),
      ),
    /does not hold/,
  ],
  ['the trust has ended', () => ({ now: () => Date.UTC(2027, 0, 1) }), /it ended at/],
  [
    'there is nothing on standard input',
    () => ({ readInput: async () => '' }),
    /descriptor on standard input is not JSON/,
  ],
  [
    'the descriptor is of another digest',
    () => ({ readInput: async () => JSON.stringify({ ...vectorSubject(good), digest: digestOf('x') }) }),
    /another digest/,
  ],
  [
    'standard input fails',
    () => ({ readInput: () => Promise.reject(new Error('broken pipe')) }),
    /broken pipe/,
  ],
  [
    'the registry does not answer',
    () => ({ sourceOf: () => neverAnswering }),
    /was not verified within 500 ms/,
  ],
  ['the source throws what it should not', () => ({ sourceOf: () => throwing }), /out of order/],
]
const neverAnswering: EvidenceSource = {
  findTag: () => new Promise(() => {}),
  findManifest: () => new Promise(() => {}),
  listReferrers: () => new Promise(() => {}),
  readBlob: () => new Promise(() => {}),
}
const fail = (): Promise<never> => Promise.reject(new TypeError('out of order\nand on'))
const throwing: EvidenceSource = { findTag: fail, findManifest: fail, listReferrers: fail, readBlob: fail }

for (const [what, breakIt, reason] of broken) {
  test(`a good image is refused with the reason when ${what}`, async () => {
    const node = nodeWith(k3Signs, { config: { timeoutMs: 500 } })
    const answer = await call(node, good, breakIt(node) ?? {})
    assert.equal(answer.isAllowed, false)
    assert.match(answer.reason, reason)
    assert.doesNotMatch(answer.reason, /\n/)
  })
}

test('a reason is one line that containerd shows in full, whatever is in it', async () => {
  const node = nodeWith(k3Signs)
  const message = `\u001b[2Jx\u2028${'é'.repeat(9_000)}\n`
  const answer = await call(node, good, { readInput: () => Promise.reject(new Error(message)) })
  assert.ok(Buffer.byteLength(answer.reason) < 4_096)
  assert.match(answer.reason, /^ \[2Jx é+.?…$/)
})

const calls: readonly [argv: string[], reason: RegExp][] = [
  [[], /-name and -digest have to be given/],
  [['-name'], /-name has no value/],
  [['-name', 'x', '-name', 'y'], /is not understood/],
  [['-other', 'x'], /"-other" is not understood/],
  [['-name', good.reference, '-digest', 'sha256:zz'], /is no digest/],
  [['-name', good.reference, '-digest', good.subject, '-stdin-media-type', 'text/plain'], /is a text\/plain/],
  [['-name', 'busybox', '-digest', good.subject], /is no reference with a registry/],
  [['-name', `${registry}/x@sha256:${'0'.repeat(64)}`, '-digest', good.subject], /names another digest/],
]

test('a call that is not understood is refused, and told why', async () => {
  for (const [argv, reason] of calls) {
    const answer = await verifyOnNode(argv, { ...partsFor(nodeWith(k3Signs)) })
    assert.equal(answer.isAllowed, false)
    assert.match(answer.reason, reason)
  }
})

test('flags may have two dashes, or their value behind a sign of equality', async () => {
  const argv = [`--name=${good.reference}`, `-digest=${good.subject}`]
  assert.equal((await verifyOnNode(argv, partsFor(nodeWith(k3Signs)))).isAllowed, true)
})

test('a reference is read as containerd writes it', () => {
  const read = (text: string): object => readReference(text, good.subject)
  assert.deepEqual(read(`${registry}/a/b:1.0`), { host: registry, repository: 'a/b', tag: '1.0' })
  assert.deepEqual(read(`r.test/a@${good.subject}`), { host: 'r.test', repository: 'a' })
  assert.deepEqual(read(`r.test:5000/a:t@${good.subject}`), {
    host: 'r.test:5000',
    repository: 'a',
    tag: 't',
  })
  for (const text of [
    '',
    '/',
    'r.test/',
    'r.test/A',
    'r.test/a:',
    'r.test/a:b:c',
    'r.test/a@x',
    'r.test/../a',
    'a'.repeat(2_000),
  ]) {
    assert.throws(() => read(text), /reference/, text)
  }
})

test('nothing that is thrown at the verifier makes it throw or say yes', async () => {
  const node = nodeWith(k3Signs)
  const words = fc.constantFrom(
    '-name',
    '-digest',
    '-stdin-media-type',
    good.reference,
    good.subject,
    descriptorMediaType,
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(words, fc.string()), { maxLength: 7 }),
      fc.oneof(fc.string(), fc.json(), fc.constant(JSON.stringify(vectorSubject(good)))),
      async (argv, input) => {
        const unsigned = { ...partsFor(node), sourceOf: () => vectorSource({ tags: {} }) }
        const answer = await verifyOnNode(argv, { ...unsigned, readInput: async () => input })
        assert.equal(answer.isAllowed, false)
        assert.ok(answer.reason.length > 0)
      },
    ),
    { numRuns: 300 },
  )
})

function partsFor(node: TestNode): VerifierParts {
  return {
    configPath: node.configPath,
    readInput: async () => JSON.stringify(vectorSubject(good)),
    now: () => Date.UTC(2026, 10, 26),
    sourceOf: () => vectorSource(good),
  }
}
