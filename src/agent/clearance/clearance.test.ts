import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import fc from 'fast-check'
import { digestOf } from '../../kernel/digest.ts'
import { openLog } from '../../kernel/log.ts'
import { backendOf, type Backend, type CriHandlers } from '../cri/backend.ts'
import { CriFailure } from '../cri/failures.ts'
import { decode, encode } from '../cri/protocol.ts'
import { ClearanceStore } from './clearance-store.ts'
import { gateBackend } from './gate-backend.ts'
import { NodeJournal } from './node-journal.ts'
import { Clearance } from './open-clearance.ts'
import { parseImageName } from './parse-image-name.ts'
import { writePermit } from './permits.ts'
import type { Judgement, Question } from './types.ts'

const context = { signal: new AbortController().signal }
const hourMs = 3_600_000
const good = digestOf('good')
const moved = digestOf('moved')
const bad = digestOf('bad')
const name = 'reg.example/prod/app'

let folder: string
let now: number
/** What the judge says of each reference; anything else is refused. */
let verdicts: Map<string, Partial<Judgement>>
let questions: Question[]
let clearance: Clearance

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pratique-clearance-'))
  now = 1_000_000_000
  questions = []
  verdicts = new Map([
    [`${name}:1`, { isAllowed: true, digest: good }],
    [`${name}@${good}`, { isAllowed: true, digest: good }],
    [`${name}:bad`, { isAllowed: false, digest: bad, reason: 'unsigned' }],
    [`${name}@${bad}`, { isAllowed: false, digest: bad, reason: 'unsigned' }],
  ])
  clearance = open()
})
afterEach(() => rmSync(folder, { recursive: true }))

function open(): Clearance {
  return new Clearance({
    judge: {
      async judge(question) {
        questions.push(question)
        const { reference } = question
        return {
          isAllowed: false,
          name,
          reason: 'nobody knows it',
          trustIssuedAt: 1,
          expiresAt: now + hourMs,
          ...verdicts.get(reference),
        }
      },
      async keepTrust() {
        return { isAllowed: true, name: '', reason: '' }
      },
      warm() {},
      async close() {},
    },
    store: new ClearanceStore(join(folder, 'cleared'), openLog('silent')),
    journal: new NodeJournal(join(folder, 'journal.jsonl')),
    clock: { now: () => now },
    permitFolder: join(folder, 'permits'),
  })
}

const kinds = (): string[] => clearance.journal.after(0, 100).map(({ kind }) => kind)

describe('clearing', () => {
  test('a tag becomes a digest, is remembered and survives a restart', async () => {
    const { digest, tags } = await clearance.clear(`${name}:1`)
    assert.deepEqual([digest, tags], [good, [`${name}:1`]])
    assert.equal(open().store.findTag(`${name}:1`)?.digest, good)
    assert.deepEqual(kinds(), ['cleared'])
  })

  test('what is refused is refused with the reason, and written down', async () => {
    await assert.rejects(clearance.clear(`${name}:bad`), { code: 'PERMISSION_DENIED', message: /unsigned/ })
    assert.equal(clearance.store.findTag(`${name}:bad`), undefined)
    assert.deepEqual(kinds(), ['refused'])
  })

  test('when nobody can be asked, what was cleared before holds until its trust ends, and nothing else does', async () => {
    const away = { isAllowed: false, isUnknown: true, reason: 'the registry is down' }
    await assert.rejects(clearance.clear(`${name}:2`), { code: 'PERMISSION_DENIED' })
    await clearance.clear(`${name}:1`)
    for (const reference of [`${name}:1`, `${name}:2`, `${name}@${good}`]) verdicts.set(reference, away)
    assert.equal((await clearance.clear(`${name}:1`)).digest, good)
    assert.equal((await clearance.clear(`${name}@${good}`)).digest, good)
    await assert.rejects(clearance.clear(`${name}:2`), { code: 'UNAVAILABLE', message: /registry is down/ })
    now += hourMs
    await assert.rejects(clearance.clear(`${name}:1`), { code: 'UNAVAILABLE' })
  })

  test('a refusal is no silence: what was cleared before does not hold against it', async () => {
    await clearance.clear(`${name}:1`)
    verdicts.set(`${name}:1`, { isAllowed: false, reason: 'quarantined' })
    await assert.rejects(clearance.clear(`${name}:1`), { code: 'PERMISSION_DENIED' })
  })

  test('a tag that moves is taken from the image that had it', async () => {
    await clearance.clear(`${name}:1`)
    verdicts.set(`${name}:1`, { isAllowed: true, digest: moved })
    await clearance.clear(`${name}:1`)
    assert.equal(open().store.findTag(`${name}:1`)?.digest, moved)
    assert.deepEqual(clearance.store.find(name, good)?.tags, [])
  })
})

describe('before a container is made', () => {
  test('a registry that refuses the image now, and a server that has withdrawn it, refuse it', async () => {
    const cleared = await clearance.clear(`${name}:1`)
    verdicts.set(`${name}@${good}`, { isAllowed: false, reason: 'quarantined since noon' })
    await assert.rejects(clearance.recheck(cleared), { code: 'PERMISSION_DENIED', message: /since noon/ })
    verdicts.set(`${name}@${good}`, { isAllowed: true, digest: good })
    await clearance.recheck(cleared)
    clearance.withdraw([{ digest: good, repository: 'prod/app', reasons: ['CVE-1'], action: 'report' }])
    await assert.rejects(clearance.recheck(cleared), { code: 'PERMISSION_DENIED', message: /CVE-1/ })
    clearance.withdraw([{ digest: good, repository: 'other/app', reasons: ['CVE-1'], action: 'report' }])
    await clearance.recheck(cleared)
  })

  test('a registry that is silent leaves the last word, until the trust ends', async () => {
    const cleared = await clearance.clear(`${name}:1`)
    verdicts.set(`${name}@${good}`, { isAllowed: false, isUnknown: true, reason: 'down' })
    await clearance.recheck(cleared)
    now += hourMs
    await assert.rejects(clearance.recheck(cleared), { code: 'UNAVAILABLE' })
  })

  test('signatures are verified again when the trust is a newer one', async () => {
    const cleared = await clearance.clear(`${name}:1`)
    questions = []
    await clearance.recheck(cleared)
    assert.deepEqual(
      questions.map(({ isRecheck }) => isRecheck),
      [true],
    )
    verdicts.set(`${name}@${good}`, { isAllowed: true, digest: good, trustIssuedAt: 2 })
    questions = []
    const again = await clearance.recheck(cleared)
    assert.deepEqual(
      questions.map(({ isRecheck }) => isRecheck === true),
      [true, false],
    )
    assert.equal(again.trustIssuedAt, 2)
  })
})

describe('breaking the glass', () => {
  const permit = { digest: bad, reason: 'the pager says so', by: 'alice' }

  test('it takes a policy that lets it, a permit no longer than that, and it leaves a trace', async () => {
    writePermit(join(folder, 'permits'), { ...permit, from: now, until: now + 2 * hourMs })
    await assert.rejects(clearance.clear(`${name}@${bad}`), { code: 'PERMISSION_DENIED' })
    const allow = (breakGlassHours: number): unknown =>
      verdicts.set(`${name}@${bad}`, {
        isAllowed: false,
        digest: bad,
        reason: 'unsigned',
        running: { breakGlassHours },
      })
    allow(1)
    await assert.rejects(clearance.clear(`${name}@${bad}`), { code: 'PERMISSION_DENIED' })
    allow(4)
    const cleared = await clearance.clear(`${name}@${bad}`)
    assert.equal(cleared.breakGlass?.by, 'alice')
    const entry = clearance.journal.after(0, 100).find(({ kind }) => kind === 'break-glass')
    assert.equal(entry?.['reason'], 'the pager says so')
    assert.equal(entry?.['refusedBecause'], 'unsigned')
    await clearance.recheck(cleared)
    now += 2 * hourMs
    await assert.rejects(clearance.recheck(cleared), { code: 'PERMISSION_DENIED' })
  })

  test('a permit without a reason is refused, and one that is damaged or of another image is none', async () => {
    assert.throws(
      () => writePermit(join(folder, 'permits'), { ...permit, reason: 'x', from: now, until: now + 1 }),
      { code: 'INVALID_ARGUMENT' },
    )
    verdicts.set(`${name}@${bad}`, { isAllowed: false, digest: bad, running: { breakGlassHours: 9 } })
    writePermit(join(folder, 'permits'), { ...permit, digest: good, from: now, until: now + hourMs })
    await assert.rejects(clearance.clear(`${name}@${bad}`), { code: 'PERMISSION_DENIED' })
    writeFileSync(join(folder, 'permits', `${bad.replace(':', '-')}.json`), '{"digest":')
    await assert.rejects(clearance.clear(`${name}@${bad}`), { code: 'PERMISSION_DENIED' })
  })
})

describe('what is kept', () => {
  test('a damaged clearance is dropped, not believed', async () => {
    await clearance.clear(`${name}:1`)
    const [file = ''] = readdirSync(join(folder, 'cleared'))
    writeFileSync(join(folder, 'cleared', file), '{"name":"reg.example/prod/app","dig')
    assert.deepEqual(open().store.list(), [])
    // One that was copied to stand for another image.
    await clearance.clear(`${name}:1`)
    writeFileSync(
      join(folder, 'cleared', file),
      JSON.stringify({ ...clearance.store.findTag(`${name}:1`), digest: bad }),
    )
    assert.deepEqual(open().store.list(), [])
  })

  test('an image of several repositories is that of the one that was named', async () => {
    const other = 'reg.example/dev/app'
    verdicts.set(`${other}:1`, { isAllowed: true, digest: good, name: other, expiresAt: now + 9 * hourMs })
    for (const one of [`${name}:1`, `${other}:1`]) {
      clearance.recordImage(await clearance.clear(one), 'id')
    }
    const { store } = clearance
    assert.equal(store.listImage('id').length, 2)
    assert.equal(store.findImage('id')?.name, other, 'it holds longest')
    for (const named of [`${name}:1`, `${name}@${good}`])
      assert.equal(store.findImage('id', named)?.name, name)
    assert.equal(store.findImage('id', 'no name at all:')?.name, other)
  })

  test('a pull that took long takes no tag back', async () => {
    const slow = await clearance.clear(`${name}:1`)
    verdicts.set(`${name}:1`, { isAllowed: true, digest: moved })
    await clearance.clear(`${name}:1`)
    clearance.recordImage(slow, 'id')
    assert.equal(clearance.store.findTag(`${name}:1`)?.digest, moved)
  })

  test('the journal drops a line that a crash cut off, and never uses a number twice', () => {
    const path = join(folder, 'other.jsonl')
    const journal = new NodeJournal(path)
    journal.append('run', now, { image: 'a' })
    journal.append('run', now, { image: 'b', sequence: 77 })
    appendFileSync(path, '{"sequence":3,"at":1')
    const again = new NodeJournal(path)
    assert.equal(again.append('run', now, { image: 'c' }).sequence, 3)
    assert.deepEqual(
      again.after(1, 10).map(({ image }) => image),
      ['b', 'c'],
    )
    assert.deepEqual(
      again.after(0, 1).map(({ image }) => image),
      ['a'],
    )
  })

  test('image names are read as the kubelet reads them', () => {
    const d = `sha256:${'0'.repeat(64)}`
    for (const [text, reference] of [
      ['nginx', 'docker.io/library/nginx:latest'],
      ['team/app:2', 'docker.io/team/app:2'],
      ['reg.example:5000/a/b', 'reg.example:5000/a/b:latest'],
      ['localhost/a:1', 'localhost/a:1'],
      [`REG.example/a:1@${d}`, `reg.example/a@${d}`],
    ] as const) {
      assert.equal(parseImageName(text).reference, reference)
    }
    for (const text of [
      '',
      'A',
      'a b',
      'x@sha256:0',
      'reg.example/',
      `a@${d}@${d}`,
      'a:',
      '../x',
      'a'.repeat(2000),
    ]) {
      assert.throws(() => parseImageName(text), { code: 'INVALID_ARGUMENT' }, text)
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          assert.equal(
            parseImageName(parseImageName(text).reference).reference,
            parseImageName(text).reference,
          )
        } catch (error) {
          assert.ok(error instanceof CriFailure)
        }
      }),
    )
  })
})

describe('a backend behind the gate', () => {
  /** A runtime with images by the digest that they were pulled by. */
  let images: Map<string, { id: string; repoDigests: string[] }>
  let created: string[]
  let pulls: { image: string; username: string }[]
  let gated: Backend
  const handlers: CriHandlers = {
    async PullImage({ image, auth }) {
      const pinned = image?.image ?? ''
      pulls.push({ image: pinned, username: auth?.username ?? '' })
      const id = digestOf(`config of ${pinned}`)
      images.set(pinned, { id, repoDigests: [pinned] })
      return { imageRef: id }
    },
    async ImageStatus({ image }) {
      const named = image?.image ?? ''
      return { image: images.get(named) ?? [...images.values()].find(({ id }) => id === named) ?? null }
    },
    async ListImages() {
      return { images: [...images.values()] }
    },
    async *StreamImages({ filter }) {
      const found = images.get(filter?.image?.image ?? '')
      yield { images: found ? [found] : [] }
    },
    async RemoveImage({ image }) {
      for (const [pinned, { id }] of images) {
        if ([pinned, id].includes(image?.image ?? '')) images.delete(pinned)
      }
      return {}
    },
    async PodSandboxStatus({ podSandboxId }) {
      return { status: { runtimeHandler: podSandboxId } }
    },
    async CreateContainer({ config }) {
      created.push(
        config?.image?.image ?? '',
        ...(config?.mounts ?? []).map(({ image }) => image?.image ?? '-'),
      )
      return { containerId: 'c1' }
    },
  }

  beforeEach(() => {
    images = new Map()
    created = []
    pulls = []
    gated = gateBackend(
      backendOf('memory', handlers, async () => {}),
      {
        clearance,
        isolationOf: (handler) => (handler === 'runsc' ? 'user-space-kernel' : 'process'),
        handlersWith: () => ['gvisor'],
        findSignIn: (host) => (host === 'reg.example' ? { username: 'node', password: 'p' } : undefined),
      },
    )
  })

  const pull = async (image: string, auth?: { username: string; password: string }) =>
    decode(
      'PullImageResponse',
      await gated.call('PullImage', encode('PullImageRequest', { image: { image }, auth }), context),
    ).imageRef
  const create = (image: string, pod = 'runc', mounts: string[] = []) =>
    gated.call(
      'CreateContainer',
      encode('CreateContainerRequest', {
        podSandboxId: pod,
        config: {
          image: { image },
          mounts: [{ hostPath: '/tmp' }, ...mounts.map((one) => ({ image: { image: one } }))].slice(
            mounts.length > 0 ? 0 : 1,
          ),
        },
      }),
      context,
    )
  const status = async (image: string) =>
    decode(
      'ImageStatusResponse',
      await gated.call('ImageStatus', encode('ImageStatusRequest', { image: { image } }), context),
    ).image

  test('it pulls by digest, with the account of the node unless the pull brings one', async () => {
    await pull(`${name}:1`)
    await pull(`${name}:1`, { username: 'pod', password: 'x' })
    assert.deepEqual(pulls, [
      { image: `${name}@${good}`, username: 'node' },
      { image: `${name}@${good}`, username: 'pod' },
    ])
    assert.deepEqual(
      questions.map(({ signIn }) => signIn?.username),
      [undefined, 'pod'],
    )
  })

  test('what is refused is never pulled, and nothing is made of it', async () => {
    await assert.rejects(pull(`${name}:bad`), { code: 'PERMISSION_DENIED' })
    assert.deepEqual(pulls, [])
    await assert.rejects(create(`${name}:bad`), { code: 'NOT_FOUND' })
  })

  test('tags are known here although the backend knows digests only', async () => {
    const id = await pull(`${name}:1`)
    assert.deepEqual((await status(`${name}:1`))?.repoTags, [`${name}:1`])
    assert.deepEqual((await status(id))?.repoTags, [`${name}:1`])
    const list = decode('ListImagesResponse', await gated.call('ListImages', Buffer.of(), context))
    assert.deepEqual(list.images[0]?.repoTags, [`${name}:1`])
    const asked = encode('StreamImagesRequest', { filter: { image: { image: `${name}:1` } } })
    const streamed = await Array.fromAsync(gated.stream('StreamImages', asked, context))
    assert.deepEqual(
      streamed.map((bytes) => decode('StreamImagesResponse', bytes).images.map(({ repoTags }) => repoTags)),
      [[[`${name}:1`]]],
    )
  })

  test('what a container was made of is told by its own name before that of another repository', () => {
    const own = { reason: '', tags: [], imageIds: ['id'], clearedAt: 0, expiresAt: 1, trustIssuedAt: 0 }
    const [dev, prod] = ['reg.example/dev/app', 'reg.example/prod/app'] as const
    const save = (one: string) =>
      clearance.store.save({ ...own, name: one, digest: good, tags: [`${one}:1`] })
    save(prod)
    clearance.store.remove(save(dev))
    assert.equal(clearance.store.findRun('id', `${dev}:1`)?.name, dev)
    assert.equal(clearance.store.findRun('id', `${prod}:1`)?.name, prod)
    assert.equal(clearance.store.findRun('id', '')?.name, prod)
  })

  test('what was removed while it runs is known for what it is until nothing runs of it', async () => {
    const id = await pull(`${name}:1`)
    await gated.call('RemoveImage', encode('RemoveImageRequest', { image: { image: id } }), context)
    assert.deepEqual(clearance.store.list(), [])
    await assert.rejects(create(id), { code: 'NOT_FOUND' })
    clearance = open()
    const known = clearance.store.findRun(id, '')
    assert.equal(known?.digest, good)
    clearance.store.forgetRemoved([known ?? assert.fail()])
    assert.equal(clearance.store.findRun(id, `${name}:1`)?.digest, good)
    clearance.store.forgetRemoved([])
    assert.equal(clearance.store.findRun(id, ''), undefined)
    assert.deepEqual(readdirSync(join(folder, 'cleared')), [])
  })

  test('a container is made of the id that was cleared, whatever the tag means by now', async () => {
    const id = await pull(`${name}:1`)
    verdicts.set(`${name}:1`, { isAllowed: true, digest: moved })
    await create(`${name}:1`)
    await create(id)
    assert.deepEqual(created, [id, id])
    assert.deepEqual(kinds(), ['cleared', 'run', 'run'])
  })

  test('an image that another backend has is brought here, by its digest', async () => {
    const id = await pull(`${name}:1`)
    images.clear()
    pulls = []
    await create(id)
    assert.deepEqual(created, [id])
    assert.deepEqual(
      pulls.map(({ image }) => image),
      [`${name}@${good}`],
    )
  })

  test('an image that came by another way is judged first, and refused when it says of no registry', async () => {
    const id = digestOf('config')
    images.set('other', { id, repoDigests: [`${name}@${bad}`] })
    await assert.rejects(create(id), { code: 'PERMISSION_DENIED', message: /unsigned/ })
    images.set('other', { id, repoDigests: [`${name}@${good}`] })
    await create(id)
    const loaded = digestOf('loaded from a file')
    images.set('loaded', { id: loaded, repoDigests: [] })
    await assert.rejects(create(loaded), { code: 'PERMISSION_DENIED', message: /pull it by name/ })
    assert.deepEqual(created, [id])
  })

  test('images that are mounted are cleared too', async () => {
    const id = await pull(`${name}:1`)
    const volume = digestOf('volume')
    images.set('volume', { id: volume, repoDigests: [`${name}@${bad}`] })
    await assert.rejects(create(id, 'runc', [volume]), { code: 'PERMISSION_DENIED' })
    await create(id, 'runc', [`${name}:1`])
    assert.deepEqual(created, [id, '-', id])
  })

  test('a policy that asks for better isolation than the pod has is a refusal that names the handler', async () => {
    verdicts.set(`${name}:1`, { isAllowed: true, digest: good, running: { isolation: 'user-space-kernel' } })
    const id = await pull(`${name}:1`)
    await assert.rejects(create(id, 'runc'), { code: 'FAILED_PRECONDITION', message: /gvisor/ })
    await create(id, 'runsc')
    assert.deepEqual(created, [id])
    // Who starts it with a tool is told before, and only when that is asked.
    for (const [verbose, info] of [
      [true, { isolation: 'user-space-kernel' }],
      [false, {}],
    ] as const) {
      const asked = encode('ImageStatusRequest', { image: { image: `${name}:1` }, verbose })
      assert.deepEqual(
        decode('ImageStatusResponse', await gated.call('ImageStatus', asked, context)).info,
        info,
      )
    }
  })

  test('a tag is removed by itself while another is left, and with the last one the image goes', async () => {
    verdicts.set(`${name}:2`, { isAllowed: true, digest: good })
    await pull(`${name}:1`)
    await pull(`${name}:2`)
    const remove = (image: string) =>
      gated.call('RemoveImage', encode('RemoveImageRequest', { image: { image } }), context)
    await remove(`${name}:1`)
    assert.equal(images.size, 1)
    assert.equal(await status(`${name}:1`).then((found) => found?.repoTags), undefined)
    await remove(`${name}:2`)
    assert.equal(images.size, 0)
    assert.deepEqual(clearance.store.list(), [])
  })
})
