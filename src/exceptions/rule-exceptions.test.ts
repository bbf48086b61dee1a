import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import fc from 'fast-check'
import { openDatabase, type Database } from '../database/index.ts'
import { Identity, type Caller } from '../identity/index.ts'
import { digestOf } from '../kernel/digest.ts'
import { Failure } from '../kernel/failure.ts'
import { matchesGlob } from '../kernel/glob.ts'
import { approveException, rejectException, withdrawException } from './decide-exception.ts'
import { exceptionEvent } from './exception-event.ts'
import { expireExceptionsJob } from './expire-exceptions.ts'
import type { ExceptionParts } from './parts.ts'
import { requestException, type WantedException } from './request-exception.ts'
import { findRuleExceptions, type RuleException } from './rule-exceptions.ts'
import { show } from './show-exception.ts'
import { exceptionsNear, insertException } from './store.ts'
import { addImage, addProject, addUser } from './testing-accounts.ts'
import { exceptionStates, type Exception, type ExceptionChange } from './types.ts'

const day = 24 * 3_600_000
const image = digestOf('an image')
const other = digestOf('another image')
let now = 1_000 * day
let database: Database
let parts: ExceptionParts
let judged: string[] = []
let changes: ExceptionChange[] = []
let dora: Caller
let ada: Caller
let paul: Caller
let sam: Caller

before(async () => {
  database = await openDatabase(':memory:')
  const clock = { now: () => now }
  const identity = new Identity({ database, clock, trustedProxies: [], tokenLifetimeMs: 60_000 })
  parts = {
    database,
    identity,
    maximumDays: 365,
    requestJudgement: async (_transaction, one) => void judged.push(one),
    requestJudgementOfAll: async () => void judged.push('all'),
    changed: async (_transaction, change) => void changes.push(change),
    wake: () => {},
  }
  for (const project of ['prod', 'dev']) await addProject(database, project)
  await addImage(database, 'prod/shop', image)
  await addImage(database, 'prod/cart', other)
  await addImage(database, 'dev/shop', image)
  dora = await addUser(database, 'dora', [['pull', '**']])
  ada = await addUser(database, 'ada', [], { administers: 'all' })
  paul = await addUser(database, 'paul', [['approve', '**']], { administers: 'prod' })
  sam = await addUser(database, 'sam', [['approve', '**']])
})
beforeEach(() => {
  judged = []
  changes = []
})
after(() => database.destroy())

let asked = 0
/** Each asks for another clause, as the same is not asked for twice. */
function ask(change: Partial<WantedException> = {}, caller = dora): Promise<Exception> {
  return requestException(parts, caller, {
    rule: { name: 'signatures', clause: `clause-${++asked}` },
    status: 'affected',
    reason: 'the HSM is away',
    until: now + 7 * day,
    repositories: 'prod/shop',
    ...change,
  })
}

const holdsIn = (repository: string, digests: readonly string[] = [image]): Promise<RuleException[]> =>
  findRuleExceptions(database, { repository, digests, now })
const isFound = async (id: string, repository = 'prod/shop', digests = [image]): Promise<boolean> =>
  (await holdsIn(repository, digests)).some((one) => one.id === id)

const invalid: readonly [name: string, change: Partial<WantedException>][] = [
  ['a rule and a vulnerability', { vulnerability: 'CVE-2026-1' }],
  ['neither rule nor vulnerability', { rule: undefined }],
  ['that the rule does not apply', { status: 'not_affected', justification: 'component_not_present' }],
  ['a package', { package: 'pkg:npm/a' }],
  ['a base', { base: { name: 'node' } }],
  ['a clause of a rule without clauses', { rule: { name: 'scanned', clause: 'release' } }],
  ['no end in sight', { until: Number.NaN }],
  ['more than a year', { until: now + 366 * day }],
]
for (const [name, change] of invalid) {
  test(`an exception from a rule cannot name ${name}`, () => refuses('EXCEPTION_INVALID', ask(change)))
}

const deciders: readonly [
  who: string,
  caller: () => Caller,
  repositories: string,
  authority: string | undefined,
][] = [
  ['an administrator', () => ada, 'prod/shop', 'organisation'],
  ['an administrator', () => ada, '**', 'organisation'],
  ['the administrator of the project', () => paul, 'prod/shop', 'project prod'],
  ['the administrator of the project', () => paul, 'prod/**', 'project prod'],
  ['the administrator of another project', () => paul, 'dev/shop', undefined],
  ['the administrator of one project of several', () => paul, '**', undefined],
  ['the administrator of one project of several', () => paul, 'pro*/shop', undefined],
  ['the administrator of one project of several', () => paul, '**/shop', undefined],
  ['whoever may only approve', () => sam, 'prod/shop', undefined],
]
for (const [who, caller, repositories, authority] of deciders) {
  test(`${who} ${authority ? `approves by authority of ${authority}` : 'does not approve'} for ${repositories}`, async () => {
    const { id } = await ask({ repositories })
    if (authority === undefined) {
      await refuses('DENIED', approveException(parts, caller(), id, undefined))
      assert.ok(!(await isFound(id)))
      return
    }
    const approved = await approveException(parts, caller(), id, 'for a week')
    assert.equal(approved.authority, authority)
    const found = (await holdsIn('prod/shop')).find((one) => one.id === id)
    assert.deepEqual(found, {
      id,
      rule: 'signatures',
      clause: approved.rule?.clause,
      authority,
      reason: 'the HSM is away',
      approvedBy: caller().principal.name,
      until: approved.until,
    })
  })
}

test('nobody approves what they asked for, not even an administrator', async () => {
  for (const caller of [ada, paul]) {
    const { id } = await ask({}, caller)
    await refuses('SELF_APPROVAL', approveException(parts, caller, id, undefined))
    assert.ok(!(await isFound(id)))
  }
})

test('it holds from its approval to its end, to the millisecond, and images are judged again at both', async () => {
  const { id } = await ask({ until: now + day })
  assert.ok(!(await isFound(id)), 'not while it is asked for')
  await approveException(parts, ada, id, undefined)
  assert.deepEqual(judged, [image])
  assert.ok(await isFound(id))
  now += day - 1
  assert.ok(await isFound(id))
  now += 1
  assert.ok(!(await isFound(id)), 'also before the job that ends it has run')
  judged = []
  await expireExceptionsJob(parts)
  assert.ok(judged.includes(image))
  assert.ok(!(await isFound(id)))
})

test('what was rejected or withdrawn never holds', async () => {
  const rejected = await ask()
  await rejectException(parts, ada, rejected.id, 'sign it')
  const withdrawn = await ask()
  await approveException(parts, ada, withdrawn.id, undefined)
  judged = []
  await withdrawException(parts, dora, withdrawn.id, 'the HSM is back')
  assert.deepEqual(judged, [image])
  for (const { id } of [rejected, withdrawn]) assert.ok(!(await isFound(id)))
})

test('one for an image holds for it in its repository, and for what an index of that digest lists', async () => {
  const { id } = await ask({ image: `prod/shop@${image}`, repositories: undefined as never })
  await approveException(parts, ada, id, undefined)
  assert.ok(await isFound(id))
  assert.ok(await isFound(id, 'prod/shop', [other, image]), 'the image other, which the index image lists')
  assert.ok(!(await isFound(id, 'prod/shop', [other])))
  assert.ok(!(await isFound(id, 'dev/shop')))
})

test('it leaves findings as they are', async () => {
  const { id } = await ask()
  await approveException(parts, ada, id, undefined)
  const near = await exceptionsNear(database, { repository: 'prod/shop', digests: [image], now })
  assert.ok(!near.some((one) => one.id === id))
})

test('everybody reads what it excepts from, and on whose authority', async () => {
  const { id } = await ask({ ticket: 'OPS-1' })
  const shown = show(await approveException(parts, paul, id, undefined))
  const { rule, clause, authority, status, ticket, vulnerability } = shown
  assert.deepEqual(
    { rule, clause, authority, status, ticket, vulnerability },
    {
      rule: 'signatures',
      clause: `clause-${asked}`,
      authority: 'project prod',
      status: 'affected',
      ticket: 'OPS-1',
      vulnerability: undefined,
    },
  )
  now += 8 * day
  await expireExceptionsJob(parts)
  const told = changes
    .filter(({ exceptions }) => exceptions[0]?.id === id)
    .map((change) => exceptionEvent(change)?.summary)
  const what = `an exception from the rule signatures (clause-${asked}) in prod/shop`
  assert.deepEqual(told, [
    `dora asks for ${what}: the HSM is away`,
    `paul approved ${what}, asked for by dora`,
    `${what} ran out`,
  ])
})

test('whatever was decided, found are exactly those that hold in the repository, for the image, now', async () => {
  const patterns = ['prod/shop', 'prod/*', 'prod/**', '**', '*/shop', 'dev/**', 'prod/sho', 'prod/shop*']
  const one = fc.record({
    state: fc.constantFrom(...exceptionStates),
    repositories: fc.constantFrom(...patterns),
    digest: fc.constantFrom(undefined, image, other),
    until: fc.constantFrom(now - 1, now, now + 1, now + 10 * day),
    rule: fc.constantFrom(undefined, 'signatures', 'scanned'),
    authority: fc.constantFrom(undefined, 'organisation', 'project prod'),
  })
  const place = fc.record({
    repository: fc.constantFrom('prod/shop', 'prod/shop/api', 'dev/shop', 'prod/cart'),
    digests: fc.constantFrom([image], [other], [image, other], [digestOf('a third')]),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(one, { maxLength: 6 }), place, async (made, { repository, digests }) => {
      await database.deleteFrom('exception').execute()
      const all = made.map((each, index) => exceptionOf(`e${index}`, each))
      await database.transaction().execute(async (transaction) => {
        for (const exception of all) await insertException(transaction, exception)
      })
      const expected = all.filter(
        ({ state, rule, authority, scope, until }) =>
          state === 'approved' &&
          rule !== undefined &&
          authority !== undefined &&
          until > now &&
          matchesGlob(scope.repositories, repository) &&
          (scope.digest === undefined || digests.includes(scope.digest as typeof image)),
      )
      const found = await holdsIn(repository, digests)
      assert.deepEqual(found.map(({ id }) => id).toSorted(), expected.map(({ id }) => id).toSorted())
    }),
    { numRuns: 300 },
  )
})

interface Made {
  readonly state: Exception['state']
  readonly repositories: string
  readonly digest: string | undefined
  readonly until: number
  readonly rule: string | undefined
  readonly authority: string | undefined
}

function exceptionOf(id: string, { repositories, digest, rule, authority, ...rest }: Made): Exception {
  return {
    id,
    vulnerability: rule === undefined ? 'CVE-2026-1' : '',
    aliases: [],
    status: 'affected',
    reason: 'r',
    requestedBy: { subject: 'user:d', name: 'dora' },
    requestedAt: 0,
    ...rest,
    ...(rule === undefined ? {} : { rule: { name: rule } }),
    ...(authority === undefined ? {} : { authority }),
    scope: { repositories, ...(digest === undefined ? {} : { digest }) },
  }
}

async function refuses(code: string, act: Promise<unknown>): Promise<void> {
  await assert.rejects(act, (error) => error instanceof Failure && error.code === code)
}
