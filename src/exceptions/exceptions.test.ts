import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import fc from 'fast-check'
import { openDatabase, type Database } from '../database/index.ts'
import { Identity, type Action, type Caller } from '../identity/index.ts'
import { digestOf } from '../kernel/digest.ts'
import { Failure } from '../kernel/failure.ts'
import { matchesGlob } from '../kernel/glob.ts'
import type { RepositoryName } from '../kernel/reference.ts'
import { requireAccessToAll } from './check-scope.ts'
import { approveException, rejectException, withdrawException } from './decide-exception.ts'
import { expireExceptionsJob } from './expire-exceptions.ts'
import { importVex } from './import-vex.ts'
import type { ExceptionParts } from './parts.ts'
import { requestException, type WantedException } from './request-exception.ts'
import { getVisible, listVisible } from './see-exceptions.ts'
import { getException } from './store.ts'
import * as accounts from './testing-accounts.ts'
import type { Exception, ExceptionChange } from './types.ts'

const day = 24 * 3_600_000
const digest = digestOf('an image')
let now = 1_000 * day
let database: Database
let parts: ExceptionParts
let judged: string[]
let changes: ExceptionChange[]
let dora: Caller
let sam: Caller
let rob: Caller

before(async () => {
  database = await openDatabase(':memory:')
  const identity = new Identity({
    database,
    clock: { now: () => now },
    trustedProxies: [],
    tokenLifetimeMs: 60_000,
  })
  parts = {
    database,
    identity,
    maximumDays: 365,
    requestJudgement: async (_transaction, one) => void judged.push(one),
    requestJudgementOfAll: async () => void judged.push('all'),
    changed: async (_transaction, change) => void changes.push(change),
    wake: () => {},
  }
  await addProject('dev')
  await addProject('prod')
  await addImage('dev/shop', digest)
  await addImage('dev/cart', digestOf('a cart'))
  await addImage('prod/shop', digest)
  dora = await addUser('dora', [['pull', 'dev/**']])
  sam = await addUser('sam', [
    ['pull', '**'],
    ['approve', '**'],
  ])
  rob = await addRobot('rob', sam, [['pull', 'dev/**']])
})
beforeEach(() => {
  judged = []
  changes = []
})
after(() => database.destroy())

function wanted(change: Partial<WantedException> = {}): WantedException {
  return {
    vulnerability: `CVE-2026-${Math.floor(Math.random() * 1e9)}`,
    status: 'not_affected',
    justification: 'component_not_present',
    reason: 'not in there',
    until: now + 30 * day,
    repositories: 'dev/shop',
    ...change,
  }
}

const ask = (change: Partial<WantedException> = {}, caller = dora): Promise<Exception> =>
  requestException(parts, caller, wanted(change))

test('a developer asks, security decides, and only then images are judged again', async () => {
  const asked = await ask({ repositories: 'dev/**', reason: 'not in there' })
  assert.equal(asked.state, 'requested')
  assert.deepEqual(judged, [])
  const approved = await approveException(parts, sam, asked.id, 'looked at it')
  assert.equal(approved.decision?.by.name, 'sam')
  assert.deepEqual(new Set(judged), new Set([digest, digestOf('a cart')]))
  assert.deepEqual(await getException(database, asked.id), approved)
  assert.deepEqual(
    changes.map(({ kind }) => kind),
    ['requested', 'approved'],
  )
  assert.deepEqual(await auditOf(asked.id), ['exception.requested', 'exception.approved'])
})

const invalid: readonly [name: string, change: Partial<WantedException>][] = [
  ['no end in sight', { until: Number.NaN }],
  ['an end that is past', { until: 1_000 * day }],
  ['more than a year', { until: 1_000 * day + 366 * day }],
  ['no justification', { justification: undefined }],
  ['a justification for an accepted risk', { status: 'affected' }],
  ['no place at all', { repositories: undefined }],
  ['a pattern that is none', { repositories: 'dev/**x' }],
  ['a package that is no package URL', { package: 'minimist' }],
  ['an image that is not there', { image: 'dev/shop:9' }],
]
for (const [name, change] of invalid) {
  test(`refused: ${name}`, () => refuses('EXCEPTION_INVALID', ask(change)))
}

test('the same is not asked for twice while it waits, and can be renewed once it is approved', async () => {
  const request = { vulnerability: 'CVE-2026-1', package: 'pkg:npm/a' }
  const first = await ask(request)
  await refuses('EXCEPTION_TAKEN', ask(request))
  await approveException(parts, sam, first.id, undefined)
  assert.equal((await ask(request)).state, 'requested')
})

test('an exception for an image names its digest and, unless said otherwise, its repository', async () => {
  const { scope } = await ask({ image: `dev/shop@${digest}`, repositories: undefined as never })
  assert.deepEqual(scope, { repositories: 'dev/shop', digest })
})

test('nobody approves what they asked for, nor what a robot of theirs did, and no robot approves', async () => {
  await refuses(
    'SELF_APPROVAL',
    ask({}, sam).then(({ id }) => approveException(parts, sam, id, undefined)),
  )
  const byRobot = await ask({}, rob)
  await refuses('SELF_APPROVAL', approveException(parts, sam, byRobot.id, undefined))
  const approver = await addRobot('auto', dora, [['approve', '**']])
  await refuses('DENIED', approveException(parts, approver, byRobot.id, undefined))
  assert.equal((await getException(database, byRobot.id)).state, 'requested')
})

test('who may pull may ask, and may not decide', async () => {
  const asked = await ask({}, sam)
  await refuses('DENIED', approveException(parts, dora, asked.id, undefined))
  await refuses('DENIED', rejectException(parts, dora, asked.id, 'no'))
  await refuses('DENIED', withdrawException(parts, dora, asked.id, 'no'))
})

const widening: readonly [
  name: string,
  glob: string,
  bindings: readonly [Action, string][],
  allowed: boolean,
][] = [
  ['all that one may pull', 'dev/**', [['pull', 'dev/**']], true],
  ['a part of it', 'dev/team/*', [['pull', 'dev/**']], true],
  ['everything', '**', [['pull', 'dev/**']], false],
  ['another project', 'prod/**', [['pull', 'dev/**']], false],
  ['every project that begins alike', 'dev*/**', [['pull', 'dev/**']], false],
  ['deeper than one part', 'dev/**', [['pull', 'dev/*']], false],
  ['one part', 'dev/*', [['pull', 'dev/*']], true],
  ['names that begin alike', 'dev/shop*', [['pull', 'dev/shop']], false],
  [
    'names with a letter in common',
    'dev/*',
    Array.from('acegikmoqsuwy', (letter) => ['pull', `dev/*${letter}*`] as const),
    false,
  ],
  [
    'the sum of what one may pull, but not all',
    'dev/*',
    [
      ['pull', 'dev/a*'],
      ['pull', 'dev/b*'],
    ],
    false,
  ],
  ['one repository', 'dev/shop', [['pull', 'dev/shop']], true],
  ['one of another project', 'prod/shop', [['pull', 'dev/**']], false],
]
for (const [name, glob, bindings, isAllowed] of widening) {
  test(`${isAllowed ? 'may' : 'may not'} ask for ${name}: ${glob} with ${bindings.map(([, right]) => right).join(' ')}`, async () => {
    const caller = await addUser(`u${randomUUID().slice(0, 8)}`, bindings)
    const asked = ask({ repositories: glob }, caller)
    if (isAllowed) assert.equal((await asked).scope.repositories, glob)
    else await refuses('DENIED', asked)
  })
}

test('whatever pattern is allowed, it covers nothing that its author may not pull', async () => {
  const part = fc.constantFrom('a', 'ab', 'b', '*', 'a*', '*b', '**')
  const glob = fc.array(part, { minLength: 1, maxLength: 3 }).map((list) => list.join('/'))
  const plain = fc.array(fc.constantFrom('a', 'ab', 'b', 'ba', 'aab', 'c'), { minLength: 1, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(fc.array(glob, { maxLength: 3 }), glob, plain, async (rights, asked, name) => {
      const mayAccess = async (
        _caller: Caller,
        _action: Action,
        repository: RepositoryName,
      ): Promise<boolean> => rights.some((right) => matchesGlob(right, repository))
      const requireAccess = async (
        caller: Caller,
        action: Action,
        repository: RepositoryName,
      ): Promise<void> => {
        if (!(await mayAccess(caller, action, repository))) throw new Failure('DENIED', '')
      }
      const repository = name.join('/') as RepositoryName
      if (!matchesGlob(asked, repository)) return
      const identity = { mayAccess, requireAccess }
      const place = { repositories: asked }
      const isAllowed = await requireAccessToAll(database, identity, dora, 'pull', place).then(
        () => true,
        () => false,
      )
      if (isAllowed) assert.ok(await mayAccess(dora, 'pull', repository), `${asked} covers ${repository}`)
    }),
    { numRuns: 400 },
  )
})

test('approving takes the right on all that an exception covers', async () => {
  const asked = await ask({ repositories: 'dev/**' })
  const partly = await addUser('partly', [
    ['pull', 'dev/**'],
    ['approve', 'dev/shop'],
  ])
  await refuses('DENIED', approveException(parts, partly, asked.id, undefined))
})

test('what was decided stays decided', async () => {
  const rejected = await rejectException(parts, sam, (await ask()).id, 'it is in there')
  assert.equal(rejected.decision?.reason, 'it is in there')
  assert.deepEqual(judged, [], 'nothing changed for any image')
  await refuses('EXCEPTION_OVER', approveException(parts, sam, rejected.id, undefined))
  await refuses('EXCEPTION_OVER', withdrawException(parts, dora, rejected.id, 'never mind'))
})

test('of two decisions at the same moment one is taken', async () => {
  const { id } = await ask()
  const both = await Promise.allSettled([
    approveException(parts, sam, id, undefined),
    rejectException(parts, sam, id, 'no'),
  ])
  assert.deepEqual(both.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
  assert.equal((await auditOf(id)).length, 2)
})

test('an approved exception is withdrawn by its author or by security, and images are judged again', async () => {
  for (const caller of [dora, sam]) {
    const { id } = await ask()
    await approveException(parts, sam, id, undefined)
    judged = []
    const withdrawn = await withdrawException(parts, caller, id, 'it is in there after all')
    assert.equal(withdrawn.state, 'withdrawn')
    assert.deepEqual(judged, [digest])
  }
})

test('what ran out while it waited is not approved', async () => {
  const { id } = await ask({ until: now + 1 })
  now += 1
  await refuses('EXCEPTION_OVER', approveException(parts, sam, id, undefined))
})

test('an exception runs out once: it is ended, told and judged, however often the job runs', async () => {
  const { id } = await ask({ until: now + day })
  await approveException(parts, sam, id, undefined)
  now += day - 1
  judged = []
  changes = []
  await expireExceptionsJob(parts)
  assert.equal((await getException(database, id)).state, 'approved', 'not a millisecond too early')
  now += 1
  await Promise.all([expireExceptionsJob(parts), expireExceptionsJob(parts)])
  await expireExceptionsJob(parts)
  assert.equal((await getException(database, id)).state, 'expired')
  assert.deepEqual(judged, [digest])
  const told = changes.filter(({ kind, exceptions }) => kind === 'expired' && exceptions[0]?.id === id)
  assert.equal(told.length, 1)
  assert.equal((await auditOf(id)).filter((action) => action === 'exception.expired').length, 1)
})

test('when the process dies inside an expiry, nothing of it happened and the next run does it all', async () => {
  const { id } = await ask({ until: now + 1 })
  await approveException(parts, sam, id, undefined)
  now += 1
  const dying = { ...parts, changed: () => Promise.reject(new Error('killed')) }
  await assert.rejects(expireExceptionsJob(dying), /killed/)
  assert.equal((await getException(database, id)).state, 'approved')
  judged = []
  await expireExceptionsJob(parts)
  assert.equal((await getException(database, id)).state, 'expired')
  assert.deepEqual(judged, [digest])
})

test('an exception is seen by its author and by those who may pull where it holds, and by nobody else', async () => {
  const asked = await ask({ repositories: 'prod/shop' }, sam)
  assert.equal((await getVisible(parts, sam, asked.id)).id, asked.id)
  await refuses('EXCEPTION_UNKNOWN', getVisible(parts, dora, asked.id))
  const { items } = await listVisible(parts, dora, { limit: 1_000 })
  assert.ok(items.length > 0)
  assert.ok(!items.some(({ id }) => id === asked.id))
})

test('a list is read page by page, without a gap and without a repetition', async () => {
  const all = (await listVisible(parts, sam, { limit: 1_000 })).items.map(({ id }) => id)
  const seen: string[] = []
  let last: Exception | undefined
  for (let isMore = true; isMore;) {
    const page = await listVisible(parts, sam, {
      limit: 3,
      ...(last ? { after: { requestedAt: last.requestedAt, id: last.id } } : {}),
    })
    seen.push(...page.items.map(({ id }) => id))
    last = page.items.at(-1)
    isMore = page.isMore
  }
  assert.deepEqual(seen, all)
})

const vex = readFileSync(join(import.meta.dirname, 'vex/testdata/trivy-oci.openvex.json'), 'utf8')

test('an import takes the right to approve, and still a second person', async () => {
  const wantedImport = { document: vex, until: now + day, repositories: 'dev/**' }
  await refuses('DENIED', importVex(parts, dora, wantedImport))
  const imported = await importVex(parts, sam, wantedImport)
  const [first] = imported.exceptions
  assert.ok(first)
  assert.equal(first.state, 'requested')
  assert.deepEqual(first.source, { digest: digestOf(vex), author: 'Aqua Security' })
  assert.match(first.reason, /^Aqua Security: /)
  await refuses('SELF_APPROVAL', approveException(parts, sam, first.id, undefined))
  assert.deepEqual(
    changes.map(({ kind }) => kind),
    ['imported'],
  )
  const again = await importVex(parts, sam, wantedImport)
  assert.equal(again.exceptions.length, 0)
  assert.equal(again.known, imported.exceptions.length)
})

test('a document accepts no risk, and what it takes back later is not imported', async () => {
  const statement = (status: string, timestamp: string): object => ({
    vulnerability: { name: 'CVE-2026-1' },
    products: [{ '@id': 'pkg:npm/a' }],
    status,
    timestamp,
    justification: 'component_not_present',
    action_statement: 'update',
  })
  const document = JSON.stringify({
    '@context': 'https://openvex.dev/ns/v0.2.0',
    '@id': 'x',
    author: 'a',
    timestamp: '2026-01-01T00:00:00Z',
    version: 1,
    statements: [
      statement('not_affected', '2026-01-01T00:00:00Z'),
      statement('affected', '2026-01-02T00:00:00Z'),
    ],
  })
  const imported = await importVex(parts, sam, { document, until: now + day, repositories: 'dev/**' })
  assert.deepEqual(imported.exceptions, [])
  assert.match(
    imported.skipped.map(({ why }) => why).join('; '),
    /later statement.*leaves findings as they are/,
  )
})

async function refuses(code: string, act: Promise<unknown>): Promise<void> {
  await assert.rejects(act, (error) => error instanceof Failure && error.code === code)
}

async function auditOf(object: string): Promise<string[]> {
  const rows = await database
    .selectFrom('audit_entry')
    .select('action')
    .where('object', '=', object)
    .orderBy('sequence')
    .execute()
  return rows.map(({ action }) => action)
}

const addProject = (name: string): Promise<void> => accounts.addProject(database, name)
const addImage = (repository: string, of: string): Promise<void> =>
  accounts.addImage(database, repository, of)
const addUser = (name: string, rights: readonly accounts.Right[]): Promise<Caller> =>
  accounts.addUser(database, name, rights)
const addRobot = (name: string, maker: Caller, rights: readonly accounts.Right[]): Promise<Caller> =>
  accounts.addRobot(database, name, maker, rights)
