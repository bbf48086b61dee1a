import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RepositoryName } from '../kernel/reference.ts'
import { decide } from './authorize.ts'
import type { NetworkRule, Rights, RoleBinding } from './rights.ts'
import { isInRanges, sourceAddressOf } from './source-address.ts'
import { actions, type Action, type Principal } from './types.ts'

const alice: Principal = { kind: 'user', subject: 'user:1', name: 'alice', administrator: false }
const app = 'dev/app' as RepositoryName

function rights(
  parts: { bindings?: RoleBinding[]; networkRules?: NetworkRule[]; anonymousPull?: boolean } = {},
): Rights {
  return {
    revision: 1,
    projects: new Map([['dev', { id: 'p1', name: 'dev', anonymousPull: parts.anonymousPull ?? false }]]),
    bindings: Map.groupBy(parts.bindings ?? [], ({ principal }) => principal),
    networkRules: parts.networkRules ?? [],
    accounts: new Map([
      ['user:1', { name: 'alice', administrator: false }],
      ['user:2', { name: 'root', administrator: true }],
    ]),
  }
}

function binding(given: readonly Action[], repositoryGlob: string, projectId?: string): RoleBinding {
  return { id: 'b1', principal: 'user:1', actions: given, repositoryGlob, projectId }
}

const buildNodesOnly: NetworkRule = {
  id: 'n1',
  effect: 'deny',
  comment: 'only the build nodes push to dev',
  condition: { actions: ['push'], repositories: ['dev/**'], notFrom: ['10.1.0.0/16'] },
}

test('without a right nothing is allowed, and the answer says so', () => {
  const decision = decide(rights(), alice, 'pull', app, '10.0.0.1')
  assert.deepEqual(decision, { allowed: false, rule: 'no role gives alice pull on dev/app' })
})

test('a role holds for its actions and its repositories', () => {
  const with_ = rights({ bindings: [binding(['push'], 'dev/*')] })
  assert.equal(decide(with_, alice, 'push', app, '').allowed, true)
  assert.equal(decide(with_, alice, 'pull', app, '').allowed, false)
  assert.equal(decide(with_, alice, 'push', 'prod/app' as RepositoryName, '').allowed, false)
})

for (const [name, bindings, mayDev, mayAll] of [
  ['admin in the project', [binding(['admin'], '**', 'p1')], true, false],
  ['admin on all its names', [binding(['admin'], 'dev/**')], true, false],
  ['admin everywhere', [binding(['admin'], '**')], true, true],
  ['admin on some of its names', [binding(['admin'], 'dev/a*')], false, false],
  ['admin on some names, tied to the project', [binding(['admin'], 'dev/a*', 'p1')], false, false],
  ['admin in a project of the same name before', [binding(['admin'], '**', 'p0')], false, false],
  ['every other action in the project', [binding(['push', 'approve'], '**', 'p1')], false, false],
] as const) {
  test(`who administers a project, or the installation: ${name}`, () => {
    const given = rights({ bindings: [...bindings] })
    assert.equal(decide(given, alice, 'admin', { project: 'dev' }, '').allowed, mayDev)
    assert.equal(decide(given, alice, 'admin', undefined, '').allowed, mayAll)
    assert.equal(decide(given, alice, 'admin', { project: 'elsewhere' }, '').allowed, mayAll)
  })
}

test('a network rule about a part of a project keeps its administrator out of the whole', () => {
  const bindings = [binding(['admin'], '**', 'p1')]
  const rule = (effect: 'allow' | 'deny', repositories: string[]): NetworkRule => ({
    ...buildNodesOnly,
    effect,
    condition: { actions: ['admin'], repositories },
  })
  const isAllowed = (...networkRules: NetworkRule[]): boolean =>
    decide(rights({ bindings, networkRules }), alice, 'admin', { project: 'dev' }, '').allowed
  assert.equal(isAllowed(rule('deny', ['dev/secret'])), false)
  assert.equal(isAllowed(rule('deny', ['prod/**'])), true)
  assert.equal(isAllowed(rule('allow', ['dev/open']), rule('deny', ['dev/**'])), false)
  assert.equal(isAllowed(rule('allow', ['dev/**']), rule('deny', ['dev/**'])), true)
})

test('pitfall 4: a role in a project ends with the project, also when its name comes back', () => {
  const old = rights({ bindings: [binding(['pull'], '**', 'p0')] })
  assert.equal(decide(old, alice, 'pull', app, '').allowed, false)
})

test('pitfall 4: a credential bound to a project does not fit one of the same name', () => {
  const limited = {
    ...alice,
    limits: [{ repository: 'dev/app', projectId: 'p0', actions: ['pull' as const] }],
  }
  assert.equal(
    decide(rights({ bindings: [binding(['pull'], '**')] }), limited, 'pull', app, '').allowed,
    false,
  )
})

test('pitfall 6: a disabled or deleted account may nothing, whatever its roles', () => {
  const gone: Principal = { ...alice, subject: 'user:9', administrator: true }
  assert.match(decide(rights(), gone, 'pull', app, '').rule, /disabled or gone/)
})

test('anonymous pull is where the project says so, and pull only', () => {
  const nobody: Principal = {
    kind: 'anonymous',
    subject: 'anonymous',
    name: 'anonymous',
    administrator: false,
  }
  assert.equal(decide(rights({ anonymousPull: true }), nobody, 'pull', app, '').allowed, true)
  assert.equal(decide(rights({ anonymousPull: true }), nobody, 'push', app, '').allowed, false)
  assert.equal(decide(rights(), nobody, 'pull', app, '').allowed, false)
})

test('only the build nodes push to dev, administrators included', () => {
  const with_ = rights({ bindings: [binding(['push', 'pull'], '**')], networkRules: [buildNodesOnly] })
  assert.equal(decide(with_, alice, 'push', app, '10.1.2.3').allowed, true)
  const refused = decide(with_, alice, 'push', app, '10.2.0.1')
  assert.equal(refused.allowed, false)
  assert.match(refused.rule, /network rule 1 \(only the build nodes push to dev\) refuses 10\.2\.0\.1/)
  assert.equal(decide(with_, alice, 'pull', app, '10.2.0.1').allowed, true)
  const root: Principal = { kind: 'user', subject: 'user:2', name: 'root', administrator: true }
  assert.equal(decide(with_, root, 'push', app, '10.2.0.1').allowed, false)
})

test('pitfall 20: an address that is not known lies in no range', () => {
  const with_ = rights({ bindings: [binding(['push'], '**')], networkRules: [buildNodesOnly] })
  assert.equal(decide(with_, alice, 'push', app, '').allowed, false)
})

const ranges: readonly [address: string, cidr: string, isIn: boolean][] = [
  ['10.1.2.3', '10.1.0.0/16', true],
  ['::ffff:10.1.2.3', '10.1.0.0/16', true],
  ['10.1.2.3', '::ffff:10.1.0.0/112', true],
  ['10.1.2.3', '::/0', false],
  ['10.1.2.3', '0.0.0.0/0', true],
  ['fe80::1%eth0', 'fe80::/10', true],
  ['2001:db8::1', '2001:db8::/32', true],
  ['10.1.2.3', '10.1.2.3', true],
  ['not an address', '0.0.0.0/0', false],
  ['010.1.2.3', '10.1.0.0/16', false],
]
for (const [address, cidr, isIn] of ranges) {
  test(`pitfall 20: ${address} is ${isIn ? '' : 'not '}in ${cidr}`, () => {
    assert.equal(isInRanges(address, [cidr]), isIn)
  })
}

const hops: readonly [name: string, peer: string, header: string | string[] | undefined, expected: string][] =
  [
    ['a header from a stranger is not believed', '203.0.113.9', '10.1.0.1', '203.0.113.9'],
    ['a trusted proxy is believed', '192.0.2.1', '203.0.113.7', '203.0.113.7'],
    ['what stands further left was said by the client', '192.0.2.1', '10.1.0.1, 203.0.113.7', '203.0.113.7'],
    ['trusted hops are passed over', '192.0.2.1', '203.0.113.7, 192.0.2.8', '203.0.113.7'],
    ['several headers are read as one', '192.0.2.1', ['10.1.0.1', '203.0.113.7'], '203.0.113.7'],
    ['garbage makes the address unknown', '192.0.2.1', '203.0.113.7, 10.1.0.1;x', ''],
    ['IPv4 mapped into IPv6 is IPv4', '::ffff:192.0.2.1', '203.0.113.7', '203.0.113.7'],
    ['no header is the proxy itself', '192.0.2.1', undefined, '192.0.2.1'],
  ]
for (const [name, peer, header, expected] of hops) {
  test(`pitfall 20: ${name}`, () => assert.equal(sourceAddressOf(peer, header, ['192.0.2.0/24']), expected))
}

const action = fc.constantFrom(...actions)
const repository = fc.constantFrom('dev/app', 'dev/other', 'prod/app').map((name) => name as RepositoryName)
const address = fc.constantFrom('10.1.2.3', '10.2.2.3', '::1', '')
const anyBinding = fc
  .tuple(fc.subarray([...actions], { minLength: 1 }), fc.constantFrom('**', 'dev/**', 'prod/app'))
  .map(([given, glob]) => binding(given, glob))
const anyRule = fc
  .tuple(
    fc.constantFrom('allow' as const, 'deny' as const),
    fc.subarray([...actions], { minLength: 1 }),
    fc.boolean(),
  )
  .map(([effect, given, isFrom]): NetworkRule => {
    const where = isFrom ? { from: ['10.1.0.0/16'] } : { notFrom: ['10.1.0.0/16'] }
    return { id: 'n', effect, comment: '', condition: { actions: given, ...where } }
  })

test('network rules can only take away', () => {
  const bindings = fc.array(anyBinding, { maxLength: 3 })
  const rules = fc.array(anyRule, { maxLength: 4 })
  fc.assert(
    fc.property(bindings, rules, action, repository, address, (given, networkRules, verb, where, from) => {
      const without = decide(rights({ bindings: given }), alice, verb, where, from)
      const with_ = decide(rights({ bindings: given, networkRules }), alice, verb, where, from)
      assert.ok(!with_.allowed || without.allowed)
    }),
  )
})

test('limits of a credential can only take away', () => {
  const limits = fc.array(
    fc.subarray([...actions]).map((given) => ({ actions: given })),
    { maxLength: 3 },
  )
  fc.assert(
    fc.property(fc.array(anyBinding), limits, action, repository, (given, narrowed, verb, where) => {
      const without = decide(rights({ bindings: given }), alice, verb, where, '')
      const with_ = decide(rights({ bindings: given }), { ...alice, limits: narrowed }, verb, where, '')
      assert.ok(!with_.allowed || without.allowed)
    }),
  )
})

test('who may push may sign, and who may sign may not push', () => {
  const pusher = rights({ bindings: [binding(['push'], 'dev/*')] })
  const signer = rights({ bindings: [binding(['sign'], 'dev/*')] })
  assert.equal(decide(pusher, alice, 'sign', app, '').allowed, true)
  assert.equal(decide(signer, alice, 'sign', app, '').allowed, true)
  assert.equal(decide(signer, alice, 'push', app, '').allowed, false)
})

test('a network rule about pushing is one about signing, unless an earlier one says otherwise', () => {
  const bindings = [binding(['push'], '**')]
  const laptops: NetworkRule = {
    id: 'n0',
    effect: 'allow',
    comment: 'developers sign from their desks',
    condition: { actions: ['sign'], from: ['10.9.0.0/16'] },
  }
  const strict = rights({ bindings, networkRules: [buildNodesOnly] })
  const relaxed = rights({ bindings, networkRules: [laptops, buildNodesOnly] })
  assert.equal(decide(strict, alice, 'sign', app, '10.9.0.1').allowed, false)
  assert.equal(decide(relaxed, alice, 'sign', app, '10.9.0.1').allowed, true)
  assert.equal(decide(relaxed, alice, 'push', app, '10.9.0.1').allowed, false)
})
