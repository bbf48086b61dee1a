import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import type { NodeConfig, RuntimeScope } from '../../runtime/offline.ts'
import { getRuntimeExport, onlyServer } from '../../runtime/offline.ts'
import { clauseOf, keySigner, policyOf, trustOf } from '../../runtime/exports/testing-trust.ts'
import {
  makeNode,
  makeServerKey,
  signTrust,
  writeFiles,
  type TestNode,
} from '../../../test/fixtures/make-node.ts'
import { checkAccount, checkUserNetwork, type Account } from './check-runtimes.ts'
import { parseDuration } from './check-containerd.ts'
import { readContainerdConfig } from './containerd-config.ts'
import { isAtLeastAsStrict, lookUp, readContainersPolicy } from './containers-policy.ts'
import { examineNode } from './examine-node.ts'
import { machineAt } from './machine-at.ts'
import { Report, type Check, type Machine } from './types.ts'

const now = Date.UTC(2026, 10, 26)
const folders: string[] = []
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true })))

const scopes: RuntimeScope[] = [
  { repositories: 'prod/**', signatures: policyOf([clauseOf('release', ['a'])]) },
  { repositories: '**', signatures: undefined },
]
const trust = trustOf(scopes, [keySigner('a'), keySigner('server')])
const verifier = 'opt/containerd/image-verifier/bin/10-pratique'

/** Real files of containerd 2.1 and 1.7, shortened to what matters here. */
const sample = (name: string): string => readFileSync(join(import.meta.dirname, 'testdata', name), 'utf8')

function nodeWith(files: Readonly<Record<string, string>>, config: Partial<NodeConfig> = {}): TestNode {
  const node = makeNode(trust, config)
  folders.push(node.root)
  writeFiles(node.root, files)
  return node
}

function machine({ root }: TestNode, more: Partial<Machine> = {}): Machine {
  return { ...machineAt(root, { now, ownerId: process.getuid?.() ?? 0 }), ...more }
}

const examine = (node: TestNode, more: Partial<Machine> = {}): Promise<Check[]> =>
  examineNode(machine(node, more))
const problemsOf = (checks: readonly Check[]): string[] =>
  checks.filter(({ result }) => result === 'problem').map(({ name }) => name)

/** A node on which everything is as the export leaves it. */
function goodFiles(): Record<string, string> {
  const options = {
    others: 'reject',
    unexpressible: 'reject',
    node: {
      bundle: signTrust(makeServerKey(), trust).toString(),
      server: 'https://registry.test:5000',
      signer: 'policy',
      program: 'pratique',
    },
  } as const
  const written = ['containers', 'crio', 'containerd'].flatMap(
    (name) => getRuntimeExport(name).write(trust, options).files,
  )
  return {
    ...Object.fromEntries(
      written
        .filter(({ path }) => !path.startsWith('etc/pratique/'))
        .map(({ path, content, mode }) => [mode === 0o755 ? `${path}*` : path, content]),
    ),
    'etc/containerd/config.toml': sample('containerd-2.1.toml'),
  }
}

/** `containerd --version` as Debian's says it. */
const version = (
  text = 'containerd github.com/containerd/containerd/v2 2.1.9+unknown ',
): Partial<Machine> => ({
  run: async (_, argv) => (argv[0] === '--version' ? text : undefined),
})

test('a node that is set up as exported has no problem, and what is not known is not called good', async () => {
  const checks = await examine(nodeWith(goodFiles()), version())
  assert.deepEqual(problemsOf(checks), [])
  assert.deepEqual(
    checks.filter(({ result }) => result === 'unknown'),
    [],
  )
  const areas = new Set(checks.map(({ area }) => area))
  assert.deepEqual([...areas].toSorted(), ['containerd', 'containers', 'cri-o', 'node'])
})

const inImages = (line: string): string => `version = 3\n[plugins.'io.containerd.cri.v1.images']\n${line}\n`
const inRegistry = (table: string, line: string): string =>
  `version = 3\n[plugins.'io.containerd.cri.v1.images'.registry.${table}]\n${line}\n`
const containerdProblems: readonly [what: string, config: string, name: string, message: RegExp][] = [
  ['local pulls', inImages('use_local_image_pull = true'), 'local-pull', /use_local_image_pull/],
  [
    'another number of downloads',
    inImages('max_concurrent_downloads = 10'),
    'local-pull',
    /max_concurrent_downloads = 10/,
  ],
  [
    'unpacked layers that are discarded',
    inImages('discard_unpacked_layers = true'),
    'local-pull',
    /discard_unpacked_layers/,
  ],
  [
    'snapshot annotations',
    inImages('disable_snapshot_annotations = false'),
    'local-pull',
    /disable_snapshot_annotations/,
  ],
  ['pulls with sync', inImages('image_pull_with_sync_fs = true'), 'local-pull', /image_pull_with_sync_fs/],
  [
    'mirrors',
    inRegistry('mirrors."docker.io"', 'endpoint = ["https://m.test"]'),
    'local-pull',
    /registry\.mirrors/,
  ],
  [
    'configs',
    inRegistry('configs."r.test".tls', 'insecure_skip_verify = true'),
    'local-pull',
    /registry\.configs/,
  ],
  ['auths', inRegistry('auths."r.test"', 'username = "x"'), 'local-pull', /registry\.auths/],
  [
    'the same in the form of containerd 1',
    sample('containerd-1.7.toml'),
    'local-pull',
    /max_concurrent_downloads = 5/,
  ],
  [
    'a plugin that is switched off',
    "version = 3\ndisabled_plugins = ['io.containerd.image-verifier.v1.bindir']\n",
    'plugin',
    /switched off/,
  ],
  [
    'no verifiers to be run',
    `version = 3\n[plugins."io.containerd.image-verifier.v1.bindir"]\nmax_verifiers = 0\n`,
    'verifier',
    /max_verifiers is 0/,
  ],
  [
    'no folder of verifiers',
    `version = 3\n[plugins."io.containerd.image-verifier.v1.bindir"]\nbin_dir = ""\n`,
    'verifier',
    /does not exist/,
  ],
  [
    'too little time',
    `version = 3\n[plugins."io.containerd.image-verifier.v1.bindir"]\nper_verifier_timeout = "3s"\n`,
    'timeout',
    /3s/,
  ],
  ['the oldest form', '[plugins.cri]\nsandbox_image = "x"\n', 'config-version', /version 1/],
]

for (const [what, config, name, message] of containerdProblems) {
  test(`containerd that accepts images silently is found: ${what}`, async () => {
    const checks = await examine(
      nodeWith({ ...goodFiles(), 'etc/containerd/config.toml': config }),
      version(),
    )
    assert.deepEqual([...new Set(problemsOf(checks))], [`containerd.${name}`])
    const found = checks.find((check) => check.result === 'problem')
    assert.match(found?.message ?? '', message)
    assert.match(found?.remedy ?? '', /^[A-Z].*\.$/)
  })
}

test('a setting in an imported file counts, over that of the main file', async () => {
  const files = {
    ...goodFiles(),
    'etc/containerd/conf.d/20-more.toml': inImages('max_concurrent_downloads = 8'),
  }
  assert.deepEqual(problemsOf(await examine(nodeWith(files), version())), ['containerd.local-pull'])
})

test('what containerd says of itself counts more than its files', async () => {
  const run = async (_: string, argv: readonly string[]): Promise<string> =>
    argv[0] === 'config' ? inImages('discard_unpacked_layers = true') : 'containerd v2.2.0'
  const checks = await examine(nodeWith(goodFiles()), { run })
  assert.deepEqual(problemsOf(checks), ['containerd.local-pull'])
  assert.match(
    checks.find(({ name }) => name === 'containerd.config')?.message ?? '',
    /containerd config dump/,
  )
})

test('the real dump of containerd 2.1 is read, and its defaults are no problem', async () => {
  const run = async (_: string, argv: readonly string[]): Promise<string> =>
    argv[0] === 'config' ? sample('containerd-2.1.9-dump.toml') : 'containerd v2.1.9'
  assert.deepEqual(problemsOf(await examine(nodeWith(goodFiles()), { run })), [])
})

const versions: readonly [told: string | undefined, result: Check['result']][] = [
  ['containerd github.com/containerd/containerd/v2 2.1.9+unknown ', 'ok'],
  ['containerd github.com/containerd/containerd/v2 v2.0.4 deadbeef', 'problem'],
  ['containerd github.com/containerd/containerd 1.7.24~ds1 1.7.24~ds1-6', 'problem'],
  ['containerd containerd.io v3.0.1 x', 'ok'],
  ['something else', 'unknown'],
  [undefined, 'unknown'],
]

test('containerd before 2.1, which never asks when Kubernetes pulls, is found by --version', async () => {
  for (const [told, result] of versions) {
    const run = async (_: string, argv: readonly string[]): Promise<string | undefined> => {
      // `containerd version` starts the daemon in some builds.
      assert.notEqual(argv[0], 'version')
      return argv[0] === '--version' ? told : undefined
    }
    const checks = await examine(nodeWith(goodFiles()), { run })
    assert.equal(checks.find(({ name }) => name === 'containerd.version')?.result, result, told)
  }
})

const withoutVerifier = (): Record<string, string> => {
  const { [`${verifier}*`]: _, ...files } = goodFiles()
  return files
}
const folderProblems: readonly [
  what: string,
  files: Record<string, string>,
  change: (root: string) => void,
  names: string[],
][] = [
  ['it is missing', withoutVerifier(), () => {}, ['containerd.verifier']],
  [
    'it is empty',
    withoutVerifier(),
    (root) => mkdirSync(join(root, 'opt/containerd/image-verifier/bin'), { recursive: true }),
    ['containerd.verifier'],
  ],
  [
    'another is there',
    { ...withoutVerifier(), 'opt/containerd/image-verifier/bin/cosign*': '#!/bin/sh\nexit 0\n' },
    () => {},
    ['containerd.verifier'],
  ],
  [
    'it cannot be run',
    goodFiles(),
    (root) => chmodSync(join(root, verifier), 0o644),
    ['containerd.verifier-executable'],
  ],
  [
    'everybody can write it',
    goodFiles(),
    (root) => chmodSync(join(root, verifier), 0o777),
    ['containerd.verifier-owner'],
  ],
  [
    'everybody can write its folder',
    goodFiles(),
    (root) => chmodSync(join(root, 'opt/containerd/image-verifier/bin'), 0o777),
    ['containerd.verifier-owner'],
  ],
]

for (const [what, files, change, names] of folderProblems) {
  test(`the folder of verifiers is looked at: ${what}`, async () => {
    const node = nodeWith(files)
    change(node.root)
    assert.deepEqual(problemsOf(await examine(node, version())), names)
  })
}

test('our verifier behind more than are run is as good as none', async () => {
  const more = Object.fromEntries(
    Array.from({ length: 10 }, (_, index) => [
      `opt/containerd/image-verifier/bin/0${index}-x*`,
      '#!/bin/sh\n',
    ]),
  )
  const limit = `version = 3\n[plugins."io.containerd.image-verifier.v1.bindir"]\nmax_verifiers = 10\n`
  const node = nodeWith({ ...goodFiles(), ...more, 'etc/containerd/config.toml': limit })
  assert.deepEqual(problemsOf(await examine(node, version())), ['containerd.verifier'])
})

test('files of another user are a problem wherever they decide', async () => {
  const names = new Set(problemsOf(await examine(nodeWith(goodFiles()), { ...version(), ownerId: 4_242 })))
  for (const name of [
    'containerd.config-owner',
    'containerd.verifier-owner',
    'containers.policy-owner',
    'node.config-owner',
    'node.trust-owner',
  ]) {
    assert.ok(names.has(name), name)
  }
})

const accept = [{ type: 'insecureAcceptAnything' }]
const policyFile = (docker: object, fallback: object = [{ type: 'reject' }]): string =>
  JSON.stringify({ default: fallback, transports: { docker } })
const exported = (): { transports: { docker: Record<string, object> } } =>
  JSON.parse(goodFiles()['etc/containers/policy.json'] as string) as {
    transports: { docker: Record<string, object> }
  }
const host = trust.registry
const policyProblems: readonly [what: string, file: string, names: string[]][] = [
  [
    'whatever is not named is accepted',
    policyFile(exported().transports.docker, accept),
    ['containers.default'],
  ],
  [
    'the transport accepts everything',
    policyFile({ ...exported().transports.docker, '': accept }),
    ['containers.default'],
  ],
  ['our registry is accepted unsigned', policyFile({ [host]: accept }), ['containers.scopes']],
  [
    'a repository below is accepted unsigned',
    policyFile({ ...exported().transports.docker, [`${host}/prod/shop`]: accept }),
    ['containers.scopes'],
  ],
  [
    'a tag is accepted unsigned',
    policyFile({ ...exported().transports.docker, [`${host}/prod/shop:1`]: accept }),
    ['containers.scopes'],
  ],
  [
    'another key is asked',
    policyFile({ [host]: [{ type: 'sigstoreSigned', keyData: 'eA==' }] }),
    ['containers.scopes'],
  ],
  ['it is no JSON', '{', ['containers.policy']],
  ['a requirement is missing', policyFile({ [host]: [] }), ['containers.policy']],
]

for (const [what, file, names] of policyProblems) {
  test(`a policy of containers/image that asks less is found: ${what}`, async () => {
    const files: Record<string, string> = { ...goodFiles(), 'etc/containers/policy.json': file }
    const { 'etc/crio/crio.conf.d/10-pratique.conf': _, ...rest } = files
    assert.deepEqual(problemsOf(await examine(nodeWith(rest), version())), names)
  })
}

test('a policy that asks the word of the server is as good as one that asks all signers', async () => {
  const options = { others: 'reject', unexpressible: 'reject' } as const
  const [policy] = getRuntimeExport('containers').write(onlyServer(trust), options).files
  const files = { ...goodFiles(), 'etc/containers/policy.json': policy?.content ?? '' }
  assert.deepEqual(problemsOf(await examine(nodeWith(files), version())), [])
})

const lookup = 'etc/containers/registries.d/registry.test_5000.yaml'
const lookups: readonly [what: string, files: Record<string, string>, isProblem: boolean][] = [
  ['there is no file', { [lookup]: '' }, true],
  ['it is switched off', { [lookup]: `docker:\n  ${host}:\n    use-sigstore-attachments: false\n` }, true],
  [
    'it is switched off further down',
    {
      'etc/containers/registries.d/z.yaml': `docker:\n  ${host}/prod:\n    use-sigstore-attachments: false\n`,
    },
    true,
  ],
  ['it is switched on for all', { [lookup]: 'default-docker:\n  use-sigstore-attachments: true\n' }, false],
  ['a file is no YAML', { 'etc/containers/registries.d/z.yaml': '{' }, true],
]

for (const [what, files, isProblem] of lookups) {
  test(`whether signatures are looked for is looked at: ${what}`, async () => {
    const checks = await examine(nodeWith({ ...goodFiles(), ...files }), version())
    assert.deepEqual(problemsOf(checks), isProblem ? ['containers.lookup'] : [])
  })
}

test('a policy of a user, and a build without sigstore, are found', async () => {
  const files = {
    ...goodFiles(),
    'root/.config/containers/policy.json': policyFile({}, accept),
    'etc/os-release': 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_CODENAME=bookworm\n',
  }
  assert.deepEqual(problemsOf(await examine(nodeWith(files), version())), [
    'containers.own-policy',
    'containers.build',
  ])
})

const namespaces: readonly [what: string, file: string, isProblem: boolean][] = [
  ['the same as the global one', goodFiles()['etc/containers/policy.json'] as string, false],
  ['one that refuses all', policyFile({}), false],
  ['one that accepts all', policyFile({}, accept), true],
  ['one that accepts a scope', policyFile({ [`${host}/prod`]: accept }), true],
  [
    'one that accepts a scope far below',
    policyFile({ ...exported().transports.docker, [`${host}/prod/a/b`]: accept }),
    true,
  ],
  ['one that cannot be read, which refuses all', '{', false],
]

for (const [what, file, isProblem] of namespaces) {
  test(`the policy of a namespace, which replaces the global one, is compared with it: ${what}`, async () => {
    const files = { ...goodFiles(), 'etc/crio/policies/shop.json': file }
    const checks = await examine(nodeWith(files), version())
    assert.deepEqual(problemsOf(checks), isProblem ? ['cri-o.namespaces'] : [])
  })
}

test('a trust that ends soon, has ended or is signed by another key is found', async () => {
  const node = nodeWith(goodFiles())
  const soon = await examine(node, { ...version(), now: trust.expiresAt - 3_600_000 })
  assert.deepEqual(problemsOf(soon), ['node.trust'])
  const ended = await examine(node, { ...version(), now: trust.expiresAt + 1 })
  assert.deepEqual(problemsOf(ended), ['node.trust'])
  const other = nodeWith(goodFiles(), { publicKeys: [makeServerKey().publicKeyPem] })
  assert.deepEqual(problemsOf(await examine(other, version())), ['node.trust'])
})

test('credentials that others can read, and registries that are accepted unverified, are found', async () => {
  const node = nodeWith(
    { ...goodFiles(), 'etc/pratique/credentials.json': '{"username":"x","password":"y"}' },
    { credentials: 'credentials.json', others: 'accept' },
  )
  assert.deepEqual(problemsOf(await examine(node, version())), ['node.others', 'node.credentials'])
  chmodSync(join(node.root, 'etc/pratique/credentials.json'), 0o600)
  assert.deepEqual(problemsOf(await examine(node, version())), ['node.others'])
})

test('a machine without any runtime is not called well', async () => {
  const checks = await examine(nodeWith({}))
  assert.equal(checks.find(({ name }) => name === 'node.runtime')?.result, 'unknown')
})

test('durations of Go are read, and nothing else', () => {
  const cases: readonly [text: string, ms: number | undefined][] = [
    ['10s', 10_000],
    ['1m30s', 90_000],
    ['500ms', 500],
    ['1.5h', 5_400_000],
    ['0', 0],
    ['0s', 0],
    ['', undefined],
    ['10', undefined],
    ['s', undefined],
    ['10x', undefined],
    ['-1s', undefined],
  ]
  for (const [text, ms] of cases) assert.equal(parseDuration(text), ms, text)
})

test('scopes are looked up as containers/image does it', () => {
  const policy = readContainersPolicy(
    policyFile({ 'a.test/x': [{ n: 1 }], 'a.test': [{ n: 2 }], '*.test': [{ n: 3 }], '': [{ n: 4 }] }),
  )
  const cases: readonly [scope: string, n: number][] = [
    ['a.test/x/y', 1],
    ['a.test/x', 1],
    ['a.test/xy', 2],
    ['b.test/x', 3],
    ['b.test:5000/x', 3],
    ['c.example/x', 4],
  ]
  for (const [scope, n] of cases) assert.deepEqual(lookUp(policy, scope), [{ n }], scope)
})

test('requirements are compared by what they say, not by how they are written', () => {
  const one = [{ type: 'signedBy', keyData: 'x' }]
  assert.ok(isAtLeastAsStrict([{ keyData: 'x', type: 'signedBy' }], one))
  assert.ok(isAtLeastAsStrict([{ type: 'reject' }], one))
  assert.ok(isAtLeastAsStrict(one, accept))
  assert.ok(!isAtLeastAsStrict(accept, one))
  assert.ok(!isAtLeastAsStrict([{ type: 'signedBy', keyData: 'y' }], one))
})

test('whatever is in the files, the doctor ends, and calls no broken file good', async () => {
  const paths = [
    'etc/containerd/config.toml',
    'etc/containers/policy.json',
    'etc/crio/crio.conf.d/10-pratique.conf',
    'etc/pratique/node.json',
    lookup,
  ]
  const node = nodeWith(goodFiles())
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), fc.oneof(fc.string(), fc.json()), async (path, content) => {
      const before = readFileSync(join(node.root, path), 'utf8')
      writeFiles(node.root, { [path]: content })
      const checks = await examine(node, version())
      assert.ok(checks.every(({ message }) => message.length > 0))
      if (path.endsWith('policy.json')) assert.ok(problemsOf(checks).length > 0)
      writeFiles(node.root, { [path]: before })
    }),
    { numRuns: 150 },
  )
})

test('imports that lead in a circle, or to too many files, end', async () => {
  const circle = 'version = 3\nimports = ["config.toml", "/etc/containerd/*.toml", "missing.toml"]\n'
  const node = nodeWith({ 'etc/containerd/config.toml': circle, 'etc/containerd/a.toml': circle })
  assert.match((await readContainerdConfig(machine(node))).from, /config\.toml/)
  const many = Object.fromEntries(
    Array.from({ length: 120 }, (_, index) => [`etc/containerd/m/${index}.toml`, 'version = 3\n']),
  )
  const crowded = nodeWith({ 'etc/containerd/config.toml': 'version = 3\nimports = ["m/*.toml"]\n', ...many })
  await assert.rejects(readContainerdConfig(machine(crowded)), /more than 100 files/)
})

test('an account without root is told what it lacks for images of several users', () => {
  const look = (account: Partial<Account>): Check | undefined => {
    const report = new Report('runtimes')
    checkAccount(report, {
      name: 'dora',
      id: 1000,
      subordinate: 'dora:100000:65536\n',
      hasMapper: true,
      ...account,
    })
    return report.checks[0]
  }
  assert.equal(look({})?.result, 'ok')
  assert.equal(look({ subordinate: '1000:1:65536' })?.result, 'ok')
  assert.match(look({ subordinate: 'doras:1:65536\n' })?.remedy ?? '', /^usermod .* dora$/)
  assert.equal(look({ hasMapper: false })?.remedy, 'install the package uidmap')
})

test('an account without root is told what it lacks for a network of pods', () => {
  const report = new Report('runtimes')
  checkUserNetwork(report, undefined)
  checkUserNetwork(report, { why: 'there is no pasta', remedy: 'install the package passt' })
  assert.deepEqual(
    report.checks.map(({ result, remedy }) => [result, remedy]),
    [
      ['ok', undefined],
      ['problem', 'install the package passt'],
    ],
  )
})
