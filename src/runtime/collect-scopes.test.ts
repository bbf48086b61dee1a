import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { effectivePolicy, parsePolicy, type PolicyDocument, type ProjectDocument } from '../policy/index.ts'
import { modes, referenceBindings, type SignaturePolicy } from '../policy/offline.ts'
import { collectScopes } from './collect-scopes.ts'
import { findScope } from './find-scope.ts'

const document = parsePolicy(`
organisation:
  rules:
    signatures:
      mode: audit
      require: [{ name: build, signers: [ci] }]
repositories:
  - { pattern: prod/*/web, rules: { signatures: { require: [{ name: web, signers: [web] }] } } }
  - { pattern: prod/shop/exact, rules: { signatures: { require: [{ name: exact, signers: [exact] }] } } }
stages:
  - { name: dev, prefix: dev, rules: { scanned: true } }
  - { name: prod, prefix: prod, rules: { signatures: { mode: enforce, require: [{ name: release, signers: [release] }] } } }
  - { name: eu, prefix: prod/eu, rules: { signatures: { mode: warn, require: [{ name: eu, signers: [eu] }] } } }
others:
  rules: { signatures: { require: [{ name: other, signers: [other] }] } }
`)
const projects = new Map<string, ProjectDocument>([
  ['shop', { rules: { signatures: { require: [{ name: 'shop', signers: ['shop'] }] } } }],
])

const clauses = (repositories: readonly string[], name: string): string[] =>
  findScope(collectScopes({ organisation: document, projects }, repositories), name)
    ?.signatures?.clauses.map((clause) => clause.name)
    .toSorted() ?? []

const cases: readonly [what: string, existing: string[], name: string, clauses: string[]][] = [
  ['a repository of no stage has what others have', [], 'tools/x', ['build', 'other']],
  ['a project adds its own', [], 'shop/x', ['build', 'other', 'shop']],
  ['a stage without signatures has those of the organisation', [], 'dev/x', ['build']],
  ['a pattern with wildcards inside holds for its whole prefix', [], 'prod/x', ['build', 'release', 'web']],
  [
    'a repository that exists is not held to a pattern that does not fit it',
    ['prod/x'],
    'prod/x',
    ['build', 'release'],
  ],
  [
    'a repository that a pattern fits is held to it',
    ['prod/a/web'],
    'prod/a/web',
    ['build', 'release', 'web'],
  ],
  [
    'a pattern without wildcards holds for its repository alone',
    [],
    'prod/shop/exact',
    ['build', 'exact', 'release'],
  ],
  ['a stage inside another takes its place', [], 'prod/eu/x', ['build', 'eu', 'web']],
  ['the bare name of a stage is none of its repositories', [], 'dev', ['build', 'other']],
]

for (const [what, existing, name, expected] of cases) {
  test(what, () => assert.deepEqual(clauses(existing, name), expected))
}

test('the bare name of a stage is marked as long as no repository has it', () => {
  const marked = (existing: readonly string[]): string[] =>
    collectScopes({ organisation: document, projects }, existing)
      .filter(({ isStageName }) => isStageName)
      .map(({ repositories }) => repositories)
  assert.deepEqual(marked([]), ['dev', 'prod', 'prod/eu'])
  assert.deepEqual(marked(['dev']), ['prod', 'prod/eu'])
})

test('a policy of which no level speaks of signatures gives one scope that asks nothing', () => {
  const plain = parsePolicy('stages: [{ name: dev, prefix: dev, rules: { scanned: true } }]\n')
  assert.deepEqual(collectScopes({ organisation: plain, projects: new Map() }, ['dev/x']), [
    { repositories: '**', signatures: undefined },
  ])
})

const part = fc.constantFrom('a', 'b', 'c')
const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
const pattern = fc
  .array(fc.constantFrom('a', 'b', 'c', '*', 'a*', '**'), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'))
const rules = fc.record(
  {
    signatures: fc.record(
      {
        mode: fc.constantFrom(...modes),
        bindReference: fc.constantFrom(...referenceBindings),
        requireLog: fc.boolean(),
        maximumAgeDays: fc.integer({ min: 1, max: 9 }),
        require: fc.array(
          fc.record({
            name: fc.constantFrom('one', 'two', 'three'),
            signers: fc.subarray(['x', 'y', 'z'], { minLength: 1 }),
            threshold: fc.constant(1),
          }),
          { maxLength: 2 },
        ),
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
)
const documents = fc.record({
  organisation: fc.record({
    organisation: fc.record({ rules }),
    repositories: fc.array(fc.record({ pattern, rules }), { maxLength: 4 }),
    stages: fc.uniqueArray(fc.record({ name: fc.constant('s'), prefix: name, rules }), {
      minLength: 1,
      maxLength: 3,
      selector: ({ prefix }) => prefix,
    }),
    others: fc.record({ rules }),
  }),
  project: fc.record({
    rules,
    repositories: fc.array(fc.record({ pattern: pattern.map((one) => `a/${one}`), rules }), { maxLength: 2 }),
  }),
  existing: fc.uniqueArray(name, { maxLength: 5 }),
})

test('for every name the scope that holds asks at least what the effective policy asks', () => {
  fc.assert(
    fc.property(documents, name, ({ organisation, project, existing }, repository) => {
      const organisationDocument = organisation as unknown as PolicyDocument
      const own = project as ProjectDocument
      const scope = findScope(
        collectScopes({ organisation: organisationDocument, projects: new Map([['a', own]]) }, existing),
        repository,
      )
      const effective = effectivePolicy(
        { organisation: organisationDocument, project: (one) => (one === 'a' ? own : undefined) },
        repository,
      ).signatures
      assert.ok(scope, 'every repository has a scope')
      assertAtLeast(scope.signatures, effective)
      // A repository that exists is asked just what holds for it.
      if (existing.includes(repository)) assert.deepEqual(scope.signatures, effective)
    }),
    { numRuns: 1_000 },
  )
})

function assertAtLeast(strict: SignaturePolicy | undefined, other: SignaturePolicy | undefined): void {
  if (!other) return
  assert.ok(strict)
  assert.ok(modes.indexOf(strict.mode) >= modes.indexOf(other.mode))
  assert.ok(referenceBindings.indexOf(strict.bindReference) >= referenceBindings.indexOf(other.bindReference))
  assert.ok(strict.requireLog || !other.requireLog)
  assert.ok((strict.maximumAgeDays ?? Infinity) <= (other.maximumAgeDays ?? Infinity))
  for (const clause of other.clauses) {
    const isAsked = strict.clauses.some(
      ({ signers, threshold }) =>
        signers.every((signer) => clause.signers.includes(signer)) && threshold >= clause.threshold,
    )
    assert.ok(isAsked, `nothing asks ${JSON.stringify(clause)}`)
  }
}
