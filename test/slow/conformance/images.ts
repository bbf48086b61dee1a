import assert from 'node:assert/strict'
import type { Image } from '../../../src/agent/cri/cri-types.ts'
import type { Check, Trial } from './trial.ts'

async function statusOf({ cri }: Trial, image: string): Promise<Image | null> {
  return (await cri.call('ImageStatus', { image: { image } })).image
}

async function listOf({ cri }: Trial, repository: string): Promise<Image[]> {
  const { images } = await cri.call('ListImages')
  return images.filter(({ repoTags }) => repoTags.some((tag) => tag.includes(`${repository}:`)))
}

const ways: readonly Check[] = [
  { said: 'tag', named: 'prod/by-tag:1', asked: (name: string) => name },
  {
    said: 'repository alone',
    named: 'prod/by-nothing:latest',
    asked: (name: string) => name.replace(':latest', ''),
  },
  {
    said: 'digest',
    named: 'prod/by-digest:1',
    asked: (name: string, digest: string) => `${name.replace(/:1$/, '')}@${digest}`,
  },
].map(({ said, named, asked }) => ({
  name: `an image is pulled by its ${said}, found by its name and id, and removed`,
  async run(trial) {
    const { cri, subject } = trial
    const { reference, digest } = await subject.push(named, { files: { said } })
    const name = asked(reference, digest)
    assert.equal(await statusOf(trial, name), null)
    const imageRef = await subject.pull(name)
    const found = await statusOf(trial, name)
    assert.ok(found)
    assert.equal(found.id, imageRef)
    assert.deepEqual(await statusOf(trial, imageRef), found)
    assert.ok(found.size > 0)
    assert.deepEqual(found.repoTags, said === 'digest' ? [] : [reference])
    assert.deepEqual(found.repoDigests, [`${reference.replace(/:[a-z0-9]+$/, '')}@${digest}`])
    const { images } = await cri.call('ListImages', { filter: { image: { image: name } } })
    assert.ok(images.some(({ id }) => id === found.id))
    await cri.call('RemoveImage', { image: { image: found.id } })
    assert.equal(await statusOf(trial, name), null)
    await cri.call('RemoveImage', { image: { image: found.id } })
    await cri.call('RemoveImage', { image: { image: name } })
  },
}))

const users: readonly Check[] = [
  { user: '', uid: null, username: '' },
  { user: '1002', uid: { value: 1002 }, username: '' },
  { user: '0', uid: { value: 0 }, username: '' },
  { user: 'app', uid: null, username: 'app' },
  { user: '1003:2000', uid: { value: 1003 }, username: '' },
  { user: 'app:app', uid: null, username: 'app' },
].map(({ user, uid, username }, index) => ({
  name: `the user ${JSON.stringify(user)} of an image is told as a number or as a name`,
  async run(trial) {
    const { reference } = await trial.subject.push(`prod/user:${index}`, {
      config: { User: user },
      files: { user: String(index) },
    })
    await trial.subject.pull(reference)
    const found = await statusOf(trial, reference)
    assert.deepEqual([found?.uid, found?.username], [uid, username])
  },
}))

export const imageChecks: readonly Check[] = [
  ...ways,
  ...users,
  {
    name: 'three images are listed as three, and one of three tags as one with three',
    async run(trial) {
      for (const tag of ['1', '2', '3']) {
        const other = await trial.subject.push(`prod/many:${tag}`)
        await trial.subject.pull(other.reference)
        const same = await trial.subject.push(`prod/tags:${tag}`, { files: { 'etc/name': 'the same' } })
        await trial.subject.pull(same.reference)
      }
      const many = await listOf(trial, 'prod/many')
      assert.equal(new Set(many.map(({ id }) => id)).size, 3)
      assert.equal(many.length, 3)
      const [one, ...others] = await listOf(trial, 'prod/tags')
      assert.deepEqual(others, [])
      assert.deepEqual(one?.repoTags.map((tag) => tag.slice(tag.lastIndexOf('/') + 1)).toSorted(), [
        'tags:1',
        'tags:2',
        'tags:3',
      ])
      await trial.cri.call('RemoveImage', { image: { image: one?.id ?? '' } })
      assert.deepEqual(await listOf(trial, 'prod/tags'), [])
    },
  },
  {
    name: 'pulling again changes nothing',
    async run(trial) {
      const { reference } = await trial.subject.push('prod/again:1')
      const first = await trial.subject.pull(reference)
      const before = await statusOf(trial, reference)
      assert.equal(await trial.subject.pull(reference), first)
      assert.deepEqual(await statusOf(trial, reference), before)
    },
  },
  {
    name: 'an image that is not there has no status, and cannot be pulled',
    async run(trial) {
      const missing = trial.subject.image.replace(/:[^:/]+$/, ':not-there')
      const unknown = `sha256:${'0'.repeat(64)}`
      for (const name of [missing, unknown, 'registry.invalid/nothing:1']) {
        assert.equal(await statusOf(trial, name), null)
        await trial.cri.call('RemoveImage', { image: { image: name } })
      }
      await assert.rejects(trial.subject.pull(missing))
      await assert.rejects(trial.subject.pull('registry.invalid/nothing:1'))
      await assert.rejects(trial.subject.pull('Not A Name'))
    },
  },
  {
    name: 'more is told of an image when more is asked',
    async run({ cri, subject }) {
      const { info } = await cri.call('ImageStatus', { image: { image: subject.image }, verbose: true })
      assert.match(info['info'] ?? '', /"Env":\["PATH=\/bin"\]/)
    },
  },
  {
    name: 'the space of images is told',
    async run({ cri }) {
      const [usage] = (await cri.call('ImageFsInfo')).imageFilesystems
      assert.ok(usage)
      assert.match(usage.fsId?.mountpoint ?? '', /^\//)
      assert.ok(usage.usedBytes && usage.inodesUsed)
    },
  },
]
