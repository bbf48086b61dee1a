import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { parse } from 'yaml'
import { readVectorFile } from '../../../../test/fixtures/vector-source.ts'
import type { SignaturePolicy } from '../../../policy/offline.ts'
import type { Signer } from '../../../signing/offline.ts'
import { findScope } from '../../find-scope.ts'
import { onlyServer } from '../../only-server.ts'
import type { ExportOptions, RuntimeScope, RuntimeTrust } from '../../types.ts'
import { clauseOf, keySigner, policyOf, strict, trustOf } from '../testing-trust.ts'
import { containers, policyJson } from './containers.ts'
import { readArmor } from './read-armor.ts'
import type { Requirement } from './requirement.ts'

const [a, b, c] = ['a', 'b', 'c'].map((name) => keySigner(name)) as [Signer, Signer, Signer]
const host = 'registry.test:5000'

const write = (
  policy: SignaturePolicy,
  signers: readonly Signer[] = [a, b, c],
  more: Partial<RuntimeTrust> = {},
  options: ExportOptions = strict,
) => {
  const scope: RuntimeScope = { repositories: 'prod/**', signatures: policy }
  const rest: RuntimeScope = { repositories: '**', signatures: undefined }
  const result = policyJson(trustOf([scope, rest], signers, more), options)
  return { ...result, asked: result.policy.transports.docker[`${host}/prod`] ?? [] }
}

test('a policy of one key becomes one requirement that names the repository', () => {
  const { asked, policy } = write(policyOf([clauseOf('release', ['a'])]))
  assert.deepEqual(asked, [
    { type: 'sigstoreSigned', keyData: dataOf(a), signedIdentity: { type: 'matchRepository' } },
  ])
  assert.deepEqual(policy.default, [{ type: 'reject' }])
  assert.deepEqual(policy.transports.docker[host], [{ type: 'insecureAcceptAnything' }])
})

test('two of three signers become a requirement for each pair, as a runtime counts nothing', () => {
  const { asked } = write(policyOf([clauseOf('release', ['a', 'b', 'c'], { threshold: 2 })]))
  assert.deepEqual(
    asked.map((one) => ('keyDatas' in one ? one.keyDatas : [])),
    [
      [dataOf(a), dataOf(b)],
      [dataOf(a), dataOf(c)],
      [dataOf(b), dataOf(c)],
    ],
  )
})

test('a successor counts under the name of its signer, a revoked or ended one not at all', () => {
  const next = keySigner('a2', { countsAs: 'a' })
  const gone = keySigner('a3', { countsAs: 'a', state: 'revoked', revokedFrom: 5 })
  const ended = keySigner('a4', { countsAs: 'a', expiresAt: Date.UTC(2026, 0, 1) })
  const bad = keySigner('a5', { countsAs: 'a', state: 'compromised' })
  const { asked, notes } = write(policyOf([clauseOf('release', ['a'])]), [a, next, gone, ended, bad])
  assert.deepEqual(
    asked.map((one) => ('keyDatas' in one ? one.keyDatas : [])),
    [[dataOf(a), dataOf(next)]],
  )
  assert.match(notes.join('\n'), /signer a3 is revoked/)
  assert.match(notes.join('\n'), /signer a4 ended on 2026-01-01/)
})

const refusals: readonly [what: string, policy: SignaturePolicy, note: RegExp][] = [
  [
    'an attestation',
    policyOf([clauseOf('sbom', ['a'], { claim: 'https://spdx.dev/Document' })]),
    /attestations/,
  ],
  ['a timestamp', policyOf([clauseOf('r', ['a'])], { requireTimestamp: true }), /timestamps/],
  ['an age', policyOf([clauseOf('r', ['a'])], { maximumAgeDays: 30 }), /the age of a signature \(30 days\)/],
  [
    'a log for a key that has none',
    policyOf([clauseOf('r', ['a'])], { requireLog: true }),
    /no trusted root with a log/,
  ],
  [
    'a form that is not read',
    policyOf([clauseOf('r', ['a'])], { formats: ['sigstore-bundle'] }),
    /only the format cosign-legacy/,
  ],
  [
    'a key algorithm that does not count',
    policyOf([clauseOf('r', ['a'])], { keyAlgorithms: ['rsa'] }),
    /ecdsa-p256 does not count/,
  ],
  ['a signer that nobody knows', policyOf([clauseOf('r', ['nobody'])]), /no signer is left/],
  ['more signers than there are', policyOf([clauseOf('r', ['a'], { threshold: 2 })]), /no signer is left/],
]

for (const [what, policy, note] of refusals) {
  test(`what cannot be asked refuses every image, and is only left out when that is asked for: ${what}`, () => {
    const { asked, notes } = write(policy)
    assert.deepEqual(asked, [{ type: 'reject' }])
    assert.match(notes.join('\n'), note)
    const skipped = write(policy, undefined, {}, { ...strict, unexpressible: 'skip' })
    assert.match(skipped.notes.join('\n'), /^prod\/\*\*: LOOSER: /m)
    assert.ok(!skipped.asked.some(({ type }) => type === 'reject'))
  })
}

test("the server's signature can be asked in place of all that cannot", () => {
  const server = keySigner('server')
  const sbom = clauseOf('sbom', ['a'], { claim: 'https://spdx.dev/Document' })
  const scopes = [{ repositories: '**', signatures: policyOf([sbom], { maximumAgeDays: 1 }) }]
  const { policy, notes } = policyJson(onlyServer(trustOf(scopes, [a, server])), strict)
  assert.deepEqual(policy.transports.docker[host], [
    { type: 'sigstoreSigned', keyData: dataOf(server), signedIdentity: { type: 'matchRepository' } },
  ])
  assert.deepEqual(notes, [])
})

test('a mode that does not refuse accepts unsigned images, and says so', () => {
  for (const mode of ['audit', 'warn'] as const) {
    const { asked, notes } = write(policyOf([clauseOf('r', ['a'])], { mode }))
    assert.deepEqual(asked, [{ type: 'insecureAcceptAnything' }])
    assert.match(notes.join('\n'), new RegExp(`the mode is ${mode}`))
  }
})

const root = readVectorFile('trust/keyless-trusted_root.json')
const keyless: Signer = {
  name: 'keyless',
  state: 'active',
  identity: {
    kind: 'certificate',
    trustedRoot: root,
    subject: 'ci@a.test',
    match: 'exact',
    issuer: 'https://idp.test',
  },
}

test('a keyless signer with an e-mail address becomes fulcio with its log', () => {
  const { asked } = write(policyOf([clauseOf('r', ['keyless'])]), [keyless])
  const [one] = asked as [Extract<Requirement, { type: 'sigstoreSigned' }>]
  assert.equal(one.fulcio?.oidcIssuer, 'https://idp.test')
  assert.equal(one.fulcio?.subjectEmail, 'ci@a.test')
  assert.equal(pemsIn(one.fulcio?.caData), pemsOf(readVectorFile('trust/keyless-fulcio-root.pem')))
  assert.equal(pemsIn(one.rekorPublicKeyData), pemsOf(readVectorFile('trust/keyless-rekor.pub')))
})

test('a certificate of a PKI becomes pki with its roots and intermediates', () => {
  const signer: Signer = {
    name: 'pki',
    state: 'active',
    identity: {
      kind: 'certificate',
      trustedRoot: readVectorFile('trust/pki-trusted_root.json'),
      subject: 'builder@pratique.test',
      match: 'exact',
      withoutLog: true,
    },
  }
  const { asked } = write(policyOf([clauseOf('r', ['pki'])]), [signer])
  const [one] = asked as [Extract<Requirement, { type: 'sigstoreSigned' }>]
  assert.equal(pemsIn(one.pki?.caRootsData), pemsOf(readVectorFile('trust/pki-root.pem')))
  assert.equal(one.pki?.subjectEmail, 'builder@pratique.test')
})

const certificateRefusals: readonly [what: string, identity: object, note: RegExp][] = [
  ['a pattern', { match: 'glob', subject: '*@a.test' }, /a pattern of names/],
  ['a URI', { subject: 'https://a.test/workflow' }, /only e-mail addresses/],
  ['a certificate that has to be in a log but has no issuer', { issuer: undefined }, /a log cannot be asked/],
]

for (const [what, identity, note] of certificateRefusals) {
  test(`a certificate signer that cannot be asked is refused: ${what}`, () => {
    const signer = { ...keyless, identity: { ...keyless.identity, ...identity } } as Signer
    const { asked, notes } = write(policyOf([clauseOf('r', ['keyless'])]), [signer])
    assert.deepEqual(asked, [{ type: 'reject' }])
    assert.match(notes.join('\n'), note)
  })
}

test('of signers of several kinds the most numerous is asked, and the others are named', () => {
  const { asked, notes } = write(policyOf([clauseOf('r', ['a', 'b', 'keyless'])]), [a, b, keyless])
  assert.deepEqual(
    asked.map((one) => ('keyDatas' in one ? one.keyDatas : [])),
    [[dataOf(a), dataOf(b)]],
  )
  assert.match(notes.join('\n'), /does not count: keyless \(only one kind/)
})

const armor = `-----BEGIN PGP PUBLIC KEY BLOCK-----
Version: test

mQENBFxx
AAAA
=abcd
-----END PGP PUBLIC KEY BLOCK-----
`

test('OpenPGP keys become one keyring, and it is said where their signatures are', () => {
  const gpg = (name: string): Signer => ({
    name,
    state: 'active',
    identity: { kind: 'openpgp', publicKey: armor },
  })
  const trust = trustOf(
    [{ repositories: '**', signatures: policyOf([clauseOf('r', ['g', 'h'])]) }],
    [gpg('g'), gpg('h')],
  )
  const { policy } = policyJson(trust, strict)
  const keyring = Buffer.from('mQENBFxxAAAA', 'base64')
  assert.deepEqual(policy.transports.docker[host], [
    {
      type: 'signedBy',
      keyType: 'GPGKeys',
      keyData: Buffer.concat([keyring, keyring]).toString('base64'),
      signedIdentity: { type: 'matchRepository' },
    },
  ])
  assert.match(containers.write(trust, strict).notes.join('\n'), /read from the registry itself/)
})

test('text that is no armored key is no keyring', () => {
  for (const text of ['', 'x', armor.replace('mQENBFxx', '!!'), armor.replace('BEGIN', 'begin')]) {
    assert.equal(readArmor(text), undefined)
  }
})

const identities: readonly [
  what: string,
  policy: Partial<SignaturePolicy>,
  trust: Partial<RuntimeTrust>,
  repositories: string,
  identity: object,
][] = [
  ['binding to a tag', { bindReference: 'tag' }, {}, 'prod/**', { type: 'matchExact' }],
  ['binding to a repository', { bindReference: 'repository' }, {}, 'prod/**', { type: 'matchRepository' }],
  ['no binding', { bindReference: 'none' }, {}, 'prod/**', { type: 'matchRepository' }],
  [
    'a mirrored repository',
    {},
    { names: { mirrors: { k8s: 'registry.k8s.io' } } },
    'k8s/pause',
    { type: 'exactRepository', dockerRepository: 'registry.k8s.io/pause' },
  ],
  [
    'mirrored repositories',
    {},
    { names: { mirrors: { k8s: 'registry.k8s.io' } } },
    'k8s/**',
    { type: 'remapIdentity', prefix: `${host}/k8s`, signedPrefix: 'registry.k8s.io' },
  ],
  [
    'another name of the registry',
    {},
    { names: { hosts: ['r.test'], mirrors: {} } },
    'prod/**',
    { type: 'remapIdentity', prefix: host, signedPrefix: 'r.test' },
  ],
]

for (const [what, policy, trust, repositories, identity] of identities) {
  test(`signatures have to name the image as the policy says: ${what}`, () => {
    const scopes = [
      { repositories, signatures: policyOf([clauseOf('r', ['a'])], policy) },
      { repositories: '**', signatures: undefined },
    ]
    const { policy: written } = policyJson(trustOf(scopes, [a], trust), strict)
    const scope = `${host}/${repositories.replace('/**', '')}`
    const [first] = written.transports.docker[scope] as [Requirement]
    assert.deepEqual('signedIdentity' in first && first.signedIdentity, identity)
  })
}

test('signatures are looked up for this registry alone, and without TLS only when that is said', () => {
  const trust = trustOf([{ repositories: '**', signatures: undefined }], [])
  const [, lookup, ...more] = containers.write(trust, strict).files
  assert.equal(lookup?.path, 'etc/containers/registries.d/registry.test_5000.yaml')
  assert.deepEqual(parse(lookup.content), { docker: { [host]: { 'use-sigstore-attachments': true } } })
  assert.deepEqual(more, [])
  const { files } = containers.write({ ...trust, insecure: true }, strict)
  assert.match(files[2]?.content ?? '', /insecure = true/)
})

test('images from elsewhere are refused, loudly, unless they are to be accepted', () => {
  const trust = trustOf([{ repositories: '**', signatures: undefined }], [])
  assert.match(containers.write(trust, strict).notes[0] ?? '', /^ONLY images of registry\.test:5000/)
  const open = containers.write(trust, { ...strict, others: 'accept' })
  assert.match(open.notes[0] ?? '', /^LOOSER: /)
  const policy = JSON.parse(open.files[0]?.content ?? '') as { default: object }
  assert.deepEqual(policy.default, [{ type: 'insecureAcceptAnything' }])
})

test('a trust with a scope for a part of the registry refuses the rest of it', () => {
  const { policy } = policyJson(trustOf([{ repositories: 'prod/**', signatures: undefined }], []), strict)
  assert.deepEqual(policy.transports.docker, {
    [host]: [{ type: 'reject' }],
    [`${host}/prod`]: [{ type: 'insecureAcceptAnything' }],
  })
})

const names = ['', 'x', 'p', 'p/x', 'p/y', 'p/q', 'p/q/x', 'p/q/r/x', 'r/x'].filter(Boolean)
const signersAll = [a, b, c]
const arbitraryPolicy = fc
  .array(
    fc.subarray(['a', 'b', 'c', 'nobody'], { minLength: 1 }).chain((signers) =>
      fc.record({
        signers: fc.constant(signers),
        threshold: fc.integer({ min: 1, max: signers.length }),
        claim: fc.constantFrom('signature', 'signature', 'signature', 'https://x.test/claim'),
      }),
    ),
    { maxLength: 3 },
  )
  .chain((clauses) =>
    fc.record({
      mode: fc.constantFrom('enforce' as const, 'enforce' as const, 'warn' as const),
      clauses: fc.constant(
        clauses.map(({ signers, ...rest }, index) => clauseOf(`clause${index}`, signers, rest)),
      ),
    }),
  )
  .map(({ mode, clauses }) => policyOf(clauses, { mode }))
const arbitraryScopes = fc
  .uniqueArray(
    fc.record({
      repositories: fc.constantFrom('p/**', 'p/q/**', 'p/q', 'p/x', 'p/*/x', 'r/**', '**/x'),
      signatures: fc.option(arbitraryPolicy, { nil: undefined }),
    }),
    { maxLength: 4, selector: ({ repositories }) => repositories },
  )
  .chain((scopes) =>
    fc
      .option(arbitraryPolicy, { nil: undefined })
      .map((signatures): RuntimeScope[] => [...scopes, { repositories: '**', signatures }]),
  )

test('what the written policy accepts, the policy accepts', () => {
  fc.assert(
    fc.property(arbitraryScopes, fc.subarray(['a', 'b', 'c']), (scopes, signed) => {
      const { policy } = policyJson(trustOf(scopes, signersAll), strict)
      for (const name of names) {
        if (!isAccepted(policy.transports.docker, `${host}/${name}`, signed)) continue
        assert.ok(
          holds(findScope(scopes, name)?.signatures, signed),
          `${name} signed by ${signed.join(', ')}`,
        )
      }
    }),
    { numRuns: 1_000 },
  )
})

test('of one scope and signatures alone, the written policy accepts just what the policy accepts', () => {
  fc.assert(
    fc.property(arbitraryPolicy, fc.subarray(['a', 'b', 'c']), (signatures, signed) => {
      const { policy } = policyJson(trustOf([{ repositories: '**', signatures }], signersAll), strict)
      const isClear = signatures.clauses.every(({ claim }) => claim === 'signature')
      const accepted = isAccepted(policy.transports.docker, `${host}/x`, signed)
      if (isClear || accepted) assert.equal(accepted, holds(signatures, signed))
    }),
    { numRuns: 500 },
  )
})

/** As containers/image decides: the longest scope, and all of its requirements. */
function isAccepted(
  docker: Readonly<Record<string, readonly Requirement[]>>,
  image: string,
  signed: readonly string[],
): boolean {
  const parts = image.split('/')
  const scope = parts
    .map((_, index) => parts.slice(0, parts.length - index).join('/'))
    .find((one) => one in docker)
  const keys = signed.map((name) => dataOf(signersAll.find((one) => one.name === name) as Signer))
  return (docker[scope as string] as Requirement[]).every((one) => {
    if (one.type !== 'sigstoreSigned') return one.type === 'insecureAcceptAnything'
    return [one.keyData ?? [], one.keyDatas ?? []].flat().some((data) => keys.includes(data))
  })
}

function holds(policy: SignaturePolicy | undefined, signed: readonly string[]): boolean {
  if (policy?.mode !== 'enforce') return true
  return policy.clauses.every(
    ({ claim, signers, threshold }) =>
      claim === 'signature' && signers.filter((name) => signed.includes(name)).length >= threshold,
  )
}

function dataOf({ identity }: Signer): string {
  return identity.kind === 'key' ? Buffer.from(identity.publicKey).toString('base64') : ''
}

/** The same keys and certificates, however their lines are broken. */
function pemsOf(text: string): string {
  return createHash('sha256').update(text.replaceAll(/\s/g, '')).digest('hex')
}

function pemsIn(data: string | undefined): string {
  return pemsOf(Buffer.from(data ?? '', 'base64').toString('utf8'))
}
