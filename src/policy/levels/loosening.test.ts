import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parsePolicy } from '../policy-document.ts'
import { parseProjectPolicy, refuseLooserProject } from '../project-document.ts'
import { refuseUnknownSigners, warnOfSigners } from './check-signers.ts'
import { effectivePolicy, effectivePolicyOfStage } from './effective-policy.ts'
import { findProblems } from './find-problems.ts'
import { scopesOfOrganisation, scopesOfProject } from './scopes.ts'

/** A policy in which the organisation and a stage, `prod`, say this. */
const two = (organisation: string, stage: string): string => `
organisation: { rules: { ${organisation} } }
stages: [{ name: prod, prefix: prod, rules: { ${stage} } }]
`
const signatures = (text: string): string => `signatures: { ${text} }`
const clause = (text: string): string =>
  signatures(`require: [{ name: release, signers: [a, b, c], threshold: 2, ${text} }]`.replace(', ,', ','))
const asClause = (text: string): string => signatures(`require: [{ name: release, ${text} }]`)

const looser: readonly [higher: string, lower: string, message: RegExp][] = [
  ['scanned: true', 'scanned: false', /scanned false, but .* true/],
  ['approvedBase: true', 'approvedBase: false', /approvedBase false/],
  [
    'findings: { atLeast: high }',
    'findings: { atLeast: critical }',
    /findings atLeast critical, but .* high/,
  ],
  [
    'findings: { atLeast: high }',
    'findings: { atLeast: high, onlyFixed: true }',
    /atLeast high, onlyFixed, but .* findings atLeast high;/,
  ],
  ['unknownFiles: { max: 0 }', 'unknownFiles: { max: 1 }', /unknownFiles max 1, but .* 0/],
  ['databaseAge: { maxDays: 7 }', 'databaseAge: { maxDays: 8 }', /databaseAge maxDays 8, but .* 7/],
  [signatures('mode: enforce'), signatures('mode: warn'), /mode warn, but .* enforce/],
  [signatures('mode: audit'), signatures('mode: "off"'), /mode off, but .* audit/],
  [signatures('formats: [notation]'), signatures('formats: [notation, openpgp]'), /formats openpgp/],
  [signatures('keyAlgorithms: [rsa]'), signatures('keyAlgorithms: [ed25519]'), /keyAlgorithms ed25519/],
  [signatures('requireTimestamp: true'), signatures('requireTimestamp: false'), /requireTimestamp false/],
  [signatures('requireLog: true'), signatures('requireLog: false'), /requireLog false/],
  [signatures('maximumAgeDays: 90'), signatures('maximumAgeDays: 91'), /maximumAgeDays 91, but .* 90/],
  [signatures('bindReference: tag'), signatures('bindReference: repository'), /bindReference repository/],
  [
    signatures('lastKnownGoodHours: 1'),
    signatures('lastKnownGoodHours: 2'),
    /lastKnownGoodHours 2, but .* 1/,
  ],
  [clause(''), asClause('signers: [a, d], threshold: 2'), /clause release: signers d, but .* a, b, c/],
  [clause(''), asClause('signers: [a, b], threshold: 1'), /clause release: threshold 1, but .* 2/],
  [
    clause(''),
    asClause('signers: [a]'),
    /clause release: 1 signer, but .* threshold 2, which so few can never meet/,
  ],
  [clause(''), asClause('signers: [a, b], claim: slsa'), /clause release: claim slsa, but .* signature/],
]

/** Unsaid by the organisation: its defaults hold all the same. */
const defaults: readonly [lower: string, message: RegExp][] = [
  [signatures('mode: warn'), /mode warn, but organisation \(by default\) says enforce/],
  [signatures('bindReference: none'), /bindReference none, but organisation \(by default\) says named/],
  [signatures('lastKnownGoodHours: 1'), /lastKnownGoodHours 1, but organisation \(by default\) says 0/],
]

const tighter: readonly [higher: string, lower: string][] = [
  ['scanned: false', 'scanned: true'],
  ['findings: { atLeast: critical, onlyFixed: true }', 'findings: { atLeast: critical }'],
  ['findings: { atLeast: critical }', 'findings: { atLeast: high, onlyFixed: true }'],
  ['unknownFiles: { max: 2 }', 'unknownFiles: { max: 1 }'],
  [signatures('mode: "off"'), signatures('mode: enforce')],
  [signatures('formats: [notation, openpgp]'), signatures('formats: [notation]')],
  [clause(''), asClause('signers: [a, b]')],
  [clause(''), asClause('signers: [a, b], threshold: 2, conditions: ["true"]')],
  [clause(''), asClause('signers: [a, b, c], threshold: 3')],
  [clause(''), signatures('require: [{ name: other, signers: [d] }]')],
  [signatures('maximumAgeDays: 90'), signatures('mode: enforce')],
]

describe('a stage below the organisation', () => {
  for (const [higher, lower, message] of looser) {
    test(`is refused when it says ${lower} below ${higher}, and both are named`, () => {
      assert.throws(
        () => parsePolicy(two(higher, lower)),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'POLICY_INVALID')
          assert.match(error.message, message)
          assert.match(error.message, /stage prod says .* but organisation says/)
          return true
        },
      )
    })
  }
  for (const [lower, message] of defaults) {
    test(`is refused when it says ${lower} and the organisation says nothing`, () => {
      assert.throws(() => parsePolicy(two('scanned: true', lower)), message)
    })
  }
  for (const [higher, lower] of tighter) {
    test(`may say ${lower} below ${higher}`, () => {
      assert.doesNotThrow(() => parsePolicy(two(higher, lower)))
    })
  }
})

const document = parsePolicy(`
organisation:
  rules: { scanned: true, signatures: { mode: warn } }
  mirrors: { k8s: registry.k8s.io }
repositories:
  - { pattern: prod/pay/**, rules: { findings: { atLeast: high } } }
  - { pattern: '**/pay/**', rules: { signatures: { mode: enforce } } }
stages:
  - { name: dev, prefix: dev, rules: { scanned: true } }
  - { name: prod, prefix: prod, rules: { findings: { atLeast: critical }, signatures: { maximumAgeDays: 90 } } }
others: { rules: { scanned: true, unknownFiles: { max: 0 } } }
`)
const project = (text: string, name = 'prod') => parseProjectPolicy(text, name)

const projects: readonly [name: string, text: string, message: RegExp][] = [
  [
    'prod',
    'rules: { findings: { atLeast: critical, onlyFixed: true } }',
    /project prod says .* but stage prod says/,
  ],
  [
    'prod',
    'rules: { signatures: { mode: audit } }',
    /project prod says mode audit, but organisation says warn/,
  ],
  ['prod', 'rules: { signatures: { maximumAgeDays: 120 } }', /project prod says .* stage prod says 90/],
  ['shop', 'rules: { unknownFiles: { max: 1 } }', /project shop says .* but others says 0/],
  [
    'prod',
    'repositories: [{ pattern: prod/pay/card, rules: { findings: { atLeast: critical } } }]',
    /project prod, repositories prod\/pay\/card says .* but repositories prod\/pay\/\*\* says/,
  ],
  [
    'prod',
    'repositories: [{ pattern: prod/pay/card, rules: { signatures: { mode: warn } } }]',
    /repositories \*\*\/pay\/\*\* says enforce/,
  ],
  [
    'prod',
    'rules: { unknownFiles: { max: 0 } }\nrepositories: [{ pattern: prod/a, rules: { unknownFiles: { max: 1 } } }]',
    /project prod, repositories prod\/a says .* but project prod says 0/,
  ],
]

describe('the policy of a project', () => {
  for (const [name, text, message] of projects) {
    test(`is refused for ${text.replaceAll('\n', ' ')}`, () => {
      assert.throws(() => refuseLooserProject(document, name, project(text, name)), message)
    })
  }

  test('may tighten what a stage says, though the stage is further down its path', () => {
    assert.doesNotThrow(() =>
      refuseLooserProject(document, 'prod', project('rules: { findings: { atLeast: low } }')),
    )
  })

  test('is not refused for a stage that takes only some of its repositories', () => {
    const partly = parsePolicy(`
stages:
  - { name: all, prefix: prod, rules: { unknownFiles: { max: 0 } } }
  - { name: eu, prefix: prod/eu, rules: { unknownFiles: { max: 3 } } }
`)
    const own = project('repositories: [{ pattern: prod/eu/**, rules: { unknownFiles: { max: 2 } } }]')
    assert.doesNotThrow(() => refuseLooserProject(partly, 'prod', own))
  })

  test('is refused for a pattern that reaches outside of it', () => {
    for (const pattern of ['**', '*/pay', 'production/**', 'dev/prod']) {
      const text = `repositories: [{ pattern: '${pattern}', rules: {} }]`
      assert.throws(() => project(text), /reaches outside of project prod/)
    }
  })

  test('that was tight enough and is no longer, after the organisation changed, is told of and still only tightens', () => {
    const own = project('rules: { signatures: { mode: enforce, formats: [notation] } }')
    const changed = parsePolicy(`
organisation: { rules: { signatures: { formats: [openpgp, sigstore-bundle] } } }
stages: [{ name: prod, prefix: prod, rules: {} }]
`)
    const [problem] = findProblems([...scopesOfOrganisation(changed), ...scopesOfProject('prod', own)])
    assert.match(problem ?? '', /project prod says formats notation, but organisation says/)
    const { signatures: merged } = effectivePolicy({ organisation: changed, project: () => own }, 'prod/a')
    assert.deepEqual(merged?.formats, [])
  })
})

describe('levels that cannot hold together', () => {
  test('are refused when two patterns that meet have no format in common', () => {
    assert.throws(
      () =>
        parsePolicy(`
repositories:
  - { pattern: prod/**, rules: { signatures: { formats: [notation] } } }
  - { pattern: '**/pay', rules: { signatures: { formats: [openpgp] } } }
stages: [{ name: dev, prefix: dev, rules: {} }]
`),
      /repositories \*\*\/pay and repositories prod\/\*\* have no formats in common/,
    )
  })

  test('are taken when no repository has both', () => {
    assert.doesNotThrow(() =>
      parsePolicy(`
stages:
  - { name: prod, prefix: prod, rules: { signatures: { formats: [notation] } } }
  - { name: eu, prefix: prod/eu, rules: { signatures: { formats: [openpgp] } } }
`),
    )
  })
})

describe('the effective policy of a repository', () => {
  const own = project('rules: { approvedBase: true }\nrepositories: [{ pattern: prod/pay/*, rules: {} }]')
  const policyOf = (repository: string, withProject = true) =>
    effectivePolicy({ organisation: document, project: () => (withProject ? own : undefined) }, repository)

  test('has every level on its path, from the organisation downwards', () => {
    assert.deepEqual(
      policyOf('prod/pay/card').levels.map(({ level }) => level),
      [
        'organisation',
        'project prod',
        'repositories prod/pay/**',
        'repositories **/pay/**',
        'project prod, repositories prod/pay/*',
        'stage prod',
      ],
    )
    assert.deepEqual(
      policyOf('other/pay/x', false).levels.map(({ level }) => level),
      ['organisation', 'repositories **/pay/**', 'others'],
    )
    assert.deepEqual(
      effectivePolicyOfStage(document, document.stages[1] ?? assert.fail()).levels.map(({ level }) => level),
      ['organisation', 'stage prod'],
    )
  })

  test('is the meet of what they say of signatures', () => {
    const { signatures: merged, names } = policyOf('prod/pay/card')
    assert.equal(merged?.mode, 'enforce')
    assert.equal(policyOf('prod/web').signatures?.mode, 'warn')
    assert.equal(merged?.maximumAgeDays, 90)
    assert.equal(merged?.bindReference, 'named')
    assert.equal(merged?.lastKnownGoodHours, 0)
    assert.deepEqual(names, { mirrors: { k8s: 'registry.k8s.io' } })
  })

  test('has the same digest when it is the same, and another one when anything in it is another', () => {
    assert.equal(policyOf('prod/web').digest, policyOf('prod/api').digest)
    const digests = ['prod/web', 'prod/pay/card', 'dev/web', 'k8s/web'].map((name) => policyOf(name).digest)
    assert.equal(new Set([...digests, policyOf('prod/web', false).digest]).size, 5)
  })

  test('asks a scan of a repository that no level speaks of', () => {
    const bare = parsePolicy('stages: [{ name: dev, prefix: dev, rules: {} }]')
    const policy = effectivePolicy({ organisation: bare, project: () => undefined }, 'shop/web')
    assert.deepEqual(policy.levels, [{ level: 'others', rules: { scanned: true } }])
    assert.equal(policy.signatures, undefined)
  })
})

describe('the signers that a policy names', () => {
  const levels = [
    {
      level: 'stage prod',
      rules: { signatures: { require: [{ name: 'release', signers: ['alice', 'server'] }] } },
    },
  ]
  const server = { name: 'server', state: 'active' } as const

  test('have to be there', () => {
    assert.throws(
      () => refuseUnknownSigners(levels, [server]),
      /stage prod, clause release: there is no signer alice; name one first \(pratique signer add alice/,
    )
    assert.doesNotThrow(() => refuseUnknownSigners(levels, [server, { name: 'alice', state: 'active' }]))
  })

  test('have to be named as their claims are', () => {
    const successor = { name: 'alice', state: 'active', countsAs: 'release' } as const
    assert.throws(() => refuseUnknownSigners(levels, [server, successor]), /alice counts as release/)
  })

  test('are told of when nothing of theirs counts any more', () => {
    assert.deepEqual(warnOfSigners(levels, [server, { name: 'alice', state: 'compromised' }]), [
      'stage prod, clause release: the signer alice is compromised',
    ])
  })
})
