import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { test } from 'node:test'
import { parse as parseToml } from 'smol-toml'
import { parseAllDocuments } from 'yaml'
import { readVectorFile } from '../../../test/fixtures/vector-source.ts'
import type { Signer } from '../../signing/offline.ts'
import { restrictScopes } from '../restrict-scopes.ts'
import type { ExportResult } from '../types.ts'
import { exportFormats } from '../wire.ts'
import type { PolicyJson } from './containers/index.ts'
import { containerd } from './containerd.ts'
import { crio } from './crio.ts'
import { globExpression, resourceName } from './glob-expression.ts'
import { getRuntimeExport, runtimeExports } from './index.ts'
import { kyverno } from './kyverno.ts'
import { notation } from './notation.ts'
import { policyController } from './policy-controller.ts'
import { clauseOf, keySigner, policyOf, strict, trustOf } from './testing-trust.ts'

type Document = Readonly<Record<string, any>> // oxlint-disable-line typescript/no-explicit-any -- shapes of others
const host = 'registry.test:5000'
const [a, b, server] = [keySigner('a'), keySigner('b'), keySigner('server')]
const keyless: Signer = {
  name: 'keyless',
  state: 'active',
  identity: {
    kind: 'certificate',
    trustedRoot: readVectorFile('trust/keyless-trusted_root.json'),
    subject: 'https://ci.test/*/release',
    match: 'glob',
    issuer: 'https://idp.test',
  },
}
const notary = (name: string, subject: string): Signer => ({
  name,
  state: 'active',
  identity: {
    kind: 'notation',
    authorities: [readVectorFile('trust/notation-root.pem')],
    timestampAuthorities: [readVectorFile('trust/tsa-root.pem')],
    subject,
  },
})
const asked = { repositories: 'prod/**', signatures: policyOf([clauseOf('release', ['a'])]) }
const free = { repositories: '**', signatures: undefined }
const node = { bundle: '{}', server: `https://${host}`, signer: 'policy', program: 'pratique' } as const

const contentOf = ({ files }: ExportResult, path: string): string => {
  const found = files.find((file) => file.path === path)
  assert.ok(found, `${path} is missing among ${files.map((file) => file.path).join(', ')}`)
  return found.content
}
/** Tables of TOML have no prototype, which strict equality sees. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
const documentsOf = (result: ExportResult, path: string): Document[] =>
  parseAllDocuments(contentOf(result, path)).map((one) => one.toJS() as Document)

test('every format that the command line offers can be written, and no other', () => {
  assert.deepEqual(
    runtimeExports.map(({ name }) => name),
    Object.keys(exportFormats),
  )
  assert.throws(
    () => getRuntimeExport('docker'),
    /there is no export "docker"; there are agent, containers, crio/,
  )
})

test('no exported path leaves the folder, and no note is empty', () => {
  for (const one of runtimeExports) {
    const { files, notes } = one.write(trustOf([asked, free], [a, server]), { ...strict, node })
    for (const { path } of files) assert.match(path, /^[A-Za-z0-9][^\0]*$/)
    for (const { path } of files) assert.ok(!path.split('/').includes('..'))
    assert.ok(notes.length > 0 && notes.every((note) => note.trim() !== ''))
  }
})

test('a pattern keeps the scopes that meet it, and leaves none for the rest', () => {
  const scopes = [asked, free]
  assert.deepEqual(restrictScopes(scopes, 'prod/shop/**'), [{ ...asked, repositories: 'prod/shop/**' }])
  assert.deepEqual(restrictScopes([asked], 'dev/**'), [])
})

test('CRI-O: the policy of a namespace asks all that the global one asks, and refuses the rest', () => {
  const own = {
    repositories: 'prod/shop/**',
    namespace: 'shop',
    signatures: policyOf([clauseOf('own', ['b'])]),
  }
  const result = crio.write(trustOf([own, asked, free], [a, b]), {
    ...strict,
    namespaces: [{ name: 'shop', repositories: ['prod/shop/**'] }],
  })
  const global = JSON.parse(contentOf(result, 'etc/containers/policy.json')) as PolicyJson
  const shop = JSON.parse(contentOf(result, 'etc/crio/policies/shop.json')) as PolicyJson
  const count = (policy: PolicyJson, scope: string): number | undefined =>
    policy.transports.docker[scope]?.length
  assert.equal(count(global, `${host}/prod`), 1)
  assert.equal(global.transports.docker[`${host}/prod/shop`], undefined)
  assert.deepEqual(shop.transports.docker[host], [{ type: 'reject' }])
  assert.deepEqual(shop.transports.docker[`${host}/prod`], [{ type: 'reject' }])
  assert.equal(count(shop, `${host}/prod/shop`), 2)
  assert.match(
    contentOf(result, 'etc/crio/crio.conf.d/10-pratique.conf'),
    /signature_policy_dir = "\/etc\/crio\/policies"/,
  )
})

test('CRI-O: the name of a namespace cannot be a path', () => {
  const limit = { name: '../x', repositories: ['**'] }
  assert.throws(
    () => crio.write(trustOf([free], []), { ...strict, namespaces: [limit] }),
    /not the name of a namespace/,
  )
})

test('containerd: the verifier is called, and nothing makes Kubernetes pull past it', () => {
  const result = containerd.write(trustOf([asked, free], [a, server]), { ...strict, node })
  const plugins = parseToml(contentOf(result, 'etc/containerd/conf.d/10-pratique.toml'))[
    'plugins'
  ] as Document
  assert.deepEqual(
    { ...plugins['io.containerd.image-verifier.v1.bindir'] },
    {
      bin_dir: '/opt/containerd/image-verifier/bin',
      max_verifiers: -1,
      per_verifier_timeout: '10s',
    },
  )
  assert.equal(plugins['io.containerd.cri.v1.images'].use_local_image_pull, false)
  const script = result.files.find(({ path }) => path.endsWith('/10-pratique'))
  assert.equal(script?.mode, 0o755)
  assert.match(script.content, /^#!\/bin\/sh\n/)
  assert.match(script.content, /\nexec 'pratique' node verify-image "\$@"\n$/)
  const hosts = plain(parseToml(contentOf(result, `etc/containerd/certs.d/${host}/hosts.toml`)))
  assert.deepEqual(hosts, {
    server: `https://${host}`,
    host: { [`https://${host}`]: { capabilities: ['pull', 'resolve'] } },
  })
})

test('containerd: the node trusts the key of the server, and a quote in a path stays a quote', () => {
  const program = `/opt/it's here/pratique`
  const result = containerd.write(trustOf([asked, free], [a, server]), {
    ...strict,
    node: { ...node, program },
  })
  const config = JSON.parse(contentOf(result, 'etc/pratique/node.json')) as Document
  assert.deepEqual(config['publicKeys'], [server.identity.kind === 'key' ? server.identity.publicKey : ''])
  assert.equal(contentOf(result, 'etc/pratique/trust.json'), node.bundle)
  assert.match(
    contentOf(result, 'opt/containerd/image-verifier/bin/10-pratique'),
    /exec '\/opt\/it'\\''s here\/pratique' node/,
  )
  assert.match(result.notes[0] ?? '', /sha256:[0-9a-f]{64}/)
})

test('containerd: without the signed trust, or without the key of the server, nothing is written', () => {
  assert.throws(() => containerd.write(trustOf([free], [server]), strict), /needs the signed trust/)
  assert.throws(() => containerd.write(trustOf([free], [a]), { ...strict, node }), /no key of the server/)
})

const subject = 'C=DE, ST=Berlin, O=acme, CN=release'

test('notation: a repository of one signer has its statement and its trust stores', () => {
  const scope = { repositories: 'prod/shop', signatures: policyOf([clauseOf('release', ['n'])]) }
  const result = notation.write(trustOf([scope], [notary('n', subject)]), strict)
  assert.deepEqual(JSON.parse(contentOf(result, 'notation/trustpolicy.json')), {
    version: '1.0',
    trustPolicies: [
      {
        name: 'repository-1',
        registryScopes: [`${host}/prod/shop`],
        signatureVerification: { level: 'strict' },
        trustStores: ['ca:n', 'tsa:n'],
        trustedIdentities: [`x509.subject: ${subject}`],
      },
    ],
  })
  assert.equal(
    contentOf(result, 'notation/truststore/x509/ca/n/1.pem'),
    readVectorFile('trust/notation-root.pem'),
  )
})

const notationRefusals: readonly [what: string, policy: Parameters<typeof policyOf>, note: RegExp][] = [
  ['two clauses', [[clauseOf('x', ['n']), clauseOf('y', ['n'])]], /all of 2 clauses/],
  ['two signers', [[clauseOf('x', ['n', 'm'], { threshold: 2 })]], /more than one signer/],
  ['an attestation', [[clauseOf('x', ['n'], { claim: 'https://x.test/c' })]], /attestations/],
  [
    'binding to a repository',
    [[clauseOf('x', ['n'])], { bindReference: 'repository' }],
    /name no repository/,
  ],
  ['a timestamp', [[clauseOf('x', ['n'])], { requireTimestamp: true }], /timestamp/],
  ['a signer of another kind', [[clauseOf('x', ['a'])]], /no signer is left/],
  ['a name without a country', [[clauseOf('x', ['m'])]], /no signer is left/],
]

for (const [what, policy, note] of notationRefusals) {
  test(`notation: what cannot be asked has no statement, so it is refused: ${what}`, () => {
    const trust = trustOf(
      [{ repositories: '**', signatures: policyOf(...policy) }],
      [notary('n', subject), notary('m', 'CN=only'), a],
    )
    const result = notation.write(trust, strict)
    assert.deepEqual(
      (JSON.parse(contentOf(result, 'notation/trustpolicy.json')) as Document)['trustPolicies'],
      [],
    )
    assert.match(result.notes.join('\n'), note)
  })
}

test('notation: where prefixes are asked differently, nothing is said for all', () => {
  const scopes = [{ repositories: 'prod/**', signatures: policyOf([clauseOf('x', ['n'])]) }, free]
  const result = notation.write(trustOf(scopes, [notary('n', subject)]), strict)
  assert.deepEqual(
    (JSON.parse(contentOf(result, 'notation/trustpolicy.json')) as Document)['trustPolicies'],
    [],
  )
  assert.match(result.notes.join('\n'), /notation knows no prefixes/)
})

test('policy-controller: each that has to have signed is a policy of its own, with its trust root', () => {
  const policy = policyOf([
    clauseOf('release', ['a', 'keyless']),
    clauseOf('scan', ['b'], { claim: 'https://x.test/c' }),
  ])
  const result = policyController.write(
    trustOf([{ ...asked, signatures: policy }, free], [a, b, keyless]),
    strict,
  )
  const [known, release, scan] = documentsOf(result, 'policy-controller/10-policies.yaml')
  assert.deepEqual(known?.['spec'].images, [{ glob: `${host}/**` }])
  assert.equal(release?.['apiVersion'], 'policy.sigstore.dev/v1beta1')
  assert.equal(release['kind'], 'ClusterImagePolicy')
  assert.deepEqual(release['spec'].images, [{ glob: `${host}/prod/**` }])
  const [key, certificate] = release['spec'].authorities
  assert.ok(createPublicKey(key.key.data))
  assert.deepEqual(certificate.keyless.identities, [
    { issuer: 'https://idp.test', subjectRegExp: '^https://ci\\.test/[^/]*/release$' },
  ])
  assert.equal(certificate.ctlog.trustRootRef, 'pratique-keyless')
  assert.deepEqual(scan?.['spec'].authorities[0].attestations, [
    { name: 'scan', predicateType: 'https://x.test/c' },
  ])
  const [root] = documentsOf(result, 'policy-controller/00-trust-roots.yaml')
  assert.equal(root?.['metadata'].name, 'pratique-keyless')
  const chain = Buffer.from(
    root['spec'].sigstoreKeys.certificateAuthorities[0].certChain,
    'base64',
  ).toString()
  assert.match(chain, /^-----BEGIN CERTIFICATE-----/)
  const [config] = documentsOf(result, 'policy-controller/20-config.yaml')
  assert.deepEqual(config?.['data'], { 'no-match-policy': 'deny' })
})

for (const [runtime, path] of [
  [policyController, 'policy-controller/10-policies.yaml'],
  [kyverno, 'kyverno/policies.yaml'],
] as const) {
  test(`${runtime.name}: what cannot be asked refuses every image`, () => {
    for (const policy of [
      policyOf([clauseOf('x', ['a'], { claim: 'https://x.test/c', conditions: ['true'] })]),
      policyOf([clauseOf('x', ['a'])], { bindReference: 'repository' }),
      policyOf([clauseOf('x', ['a'])], { maximumAgeDays: 3 }),
      policyOf([clauseOf('x', ['nobody'])]),
    ]) {
      const result = runtime.write(trustOf([{ ...asked, signatures: policy }], [a]), strict)
      assert.match(contentOf(result, path), /action: fail|expression: "false"/)
      assert.match(result.notes.join('\n'), /every image is refused/)
      const skipped = runtime.write(trustOf([{ ...asked, signatures: policy }], [a]), {
        ...strict,
        unexpressible: 'skip',
      })
      assert.doesNotMatch(contentOf(skipped, path), /action: fail|expression: "false"/)
      assert.match(skipped.notes.join('\n'), /LOOSER/)
    }
  })
}

test('Kyverno: a policy names its images, asks each of its signers, and refuses other registries', () => {
  const policy = policyOf([clauseOf('release', ['a', 'b'], { threshold: 1 })])
  const result = kyverno.write(trustOf([{ ...asked, signatures: policy }, free], [a, b]), strict)
  const [prod, others] = documentsOf(result, 'kyverno/policies.yaml')
  assert.equal(prod?.['apiVersion'], 'policies.kyverno.io/v1')
  assert.equal(prod['kind'], 'ImageValidatingPolicy')
  assert.deepEqual(prod['spec'].matchImageReferences, [{ glob: `${host}/prod/*` }])
  assert.deepEqual(prod['spec'].validationActions, ['Deny'])
  assert.deepEqual(
    prod['spec'].attestors.map((one: Document) => one['name']),
    ['signer1', 'signer2'],
  )
  assert.match(
    prod['spec'].validations[0].expression,
    /verifyImageSignatures\(image, \[attestors\.signer1\]\) > 0 \|\| verifyImageSignatures\(image, \[attestors\.signer2\]\) > 0/,
  )
  assert.equal(others?.['kind'], 'ValidatingPolicy')
  assert.match(others['spec'].validations[0].expression, /startsWith\("registry\.test:5000\/"\)/)
})

test('a name with wildcards becomes an expression over the whole name, in which nothing else is special', () => {
  const cases: readonly [glob: string, name: string, fits: boolean][] = [
    ['https://ci.test/*/x', 'https://ci.test/a/x', true],
    ['https://ci.test/*/x', 'https://ci.test/a/b/x', false],
    ['https://ci.test/**', 'https://ci.test/a/b/x', true],
    ['https://ci.test/*', 'https://ci-test/a', false],
    ['a+b@c.test', 'a+b@c.test', true],
    ['a+b@c.test', 'aab@c.test', false],
    ['x@a.test', 'x@a.test.evil.example', false],
    ['x@a.test', 'evil x@a.test', false],
  ]
  for (const [glob, name, fits] of cases)
    assert.equal(new RegExp(globExpression(glob)).test(name), fits, glob)
})

test('names of resources are short, in lower case, and end in a letter or a digit', () => {
  for (const text of ['prod/**', 'A_b.C', 'x'.repeat(300), '--']) {
    assert.match(`a${resourceName(text)}`, /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/)
    assert.ok(resourceName(text).length <= 60)
  }
})
