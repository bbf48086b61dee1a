import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { enrol, renew } from '../../src/agent/enrolment/enrol.ts'
import { readEnrolment, ServerLink } from '../../src/agent/enrolment/server-link.ts'
import { NodeLab, type CriClient } from '../fixtures/node-lab.ts'
import { runToEnd, type Ran } from '../fixtures/start-product.ts'
import { wasmArtifact } from '../fixtures/wasm-artifact.ts'
import { loopModule } from '../fixtures/wasm-modules.ts'

const waitMs = 60_000

describe('nodes that enrol', () => {
  let lab: NodeLab
  let cri: CriClient
  let nodesUrl: string
  const folder = mkdtempSync(join(tmpdir(), 'pratique-nodes-'))
  const pratique = (...args: string[]): Promise<Ran> => lab.product.cli(args)
  const token = async (): Promise<string> => (await pratique('node', 'token')).stdout.trim()
  const json = async <Answer>(...args: string[]): Promise<Answer> =>
    JSON.parse((await pratique('--json', ...args)).stdout) as Answer

  before(async () => {
    lab = await NodeLab.open({ PRATIQUE_NODE_LISTEN: '127.0.0.1:0' })
    nodesUrl = /Nodes enrol and report at (\S+)/.exec(lab.product.output())?.[1] ?? ''
    await lab.setUp({ backends: [{ kind: 'wasm', name: 'wasm' }] })
  })
  after(async () => {
    for (const { id } of (await cri.call('ListPodSandbox')).items) {
      await cri.call('RemovePodSandbox', { podSandboxId: id })
    }
    await cri.close()
    await lab.close()
    rmSync(folder, { recursive: true })
  })

  /** It reports at once when it starts, and twice a minute from then on. */
  const restartAgent = async (): Promise<void> => {
    await lab.stopAgent()
    await lab.startAgent()
  }

  const until = async (about: string, isSo: () => Promise<boolean>): Promise<void> => {
    const deadline = performance.now() + waitMs
    while (!(await isSo())) {
      assert.ok(performance.now() < deadline, about)
      await pause(200)
    }
  }

  test('a node enrols by a token that is good once, and its key stays with it', async () => {
    const good = await token()
    const enrolled = await pratique(
      'node',
      'enrol',
      '--nodes-url',
      nodesUrl,
      '--token',
      good,
      '--name',
      'worker-1',
      '--config',
      lab.configPath,
    )
    assert.equal(enrolled.code, 0, enrolled.stderr)
    const place = join(lab.folder, 'etc/pratique/enrolment')
    assert.match(readFileSync(join(place, 'node.pem'), 'utf8'), /PRIVATE KEY/)
    assert.equal(statSync(join(place, 'node.pem')).mode & 0o777, 0o600)
    assert.equal(readEnrolment(place)?.name, 'worker-1')
    await assert.rejects(
      enrol({ server: nodesUrl, token: good, name: 'other', folder: join(folder, 'again') }),
      {
        code: 'UNAUTHENTICATED',
        message: /was used/,
      },
    )
  })

  test('a token for another server, one that is made up and a name that is taken are refused', async () => {
    const good = await token()
    const [secret = '', fingerprint = ''] = good.split('.')
    const wrong = `${secret}.${fingerprint.replace(/./g, (digit) => (digit === '0' ? '1' : '0'))}`
    const attempt = (more: object) =>
      enrol({ server: nodesUrl, token: good, name: 'x', folder: join(folder, 'x'), ...more })
    await assert.rejects(attempt({ token: wrong }), {
      code: 'FAILED_PRECONDITION',
      message: /another authority/,
    })
    await assert.rejects(attempt({ token: `${'A'.repeat(43)}.${fingerprint}` }), { code: 'UNAUTHENTICATED' })
    await assert.rejects(attempt({ token: 'nonsense' }), { code: 'INVALID_ARGUMENT' })
    await assert.rejects(attempt({ server: lab.product.url }), { code: 'INVALID_ARGUMENT' })
    await assert.rejects(attempt({ name: 'worker-1' }), {
      code: 'FAILED_PRECONDITION',
      message: /worker-1 already/,
    })
    // What was refused has not used the token up.
    await attempt({ name: 'worker-2', folder: join(folder, 'two') })
  })

  test('a node without a certificate, or with that of another, is not heard', async () => {
    const report = { agentVersion: '1', runtimes: [], running: [], cached: [], events: [] }
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    try {
      const answer = await fetch(new URL('/node/v1/report', nodesUrl), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(report),
      })
      assert.equal(answer.status, 401)
      const described = await fetch(new URL('/node/v1/openapi.json', nodesUrl))
      const { openapi, paths } = (await described.json()) as { openapi: string; paths: object }
      assert.match(openapi, /^3\.1/)
      assert.deepEqual(
        Object.keys(paths).toSorted(),
        ['enrol', 'renew', 'report', 'trust'].map((one) => `/node/v1/${one}`),
      )
    } finally {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    }
    const link = new ServerLink(join(folder, 'two'), readEnrolment(join(folder, 'two')) as never)
    const taken = await link.post<{ lastEvent: number }>('/node/v1/report', {
      ...report,
      events: [{ sequence: 1, at: 1, kind: 'break-glass', detail: { image: 'x', reason: 'a reason' } }],
    })
    assert.equal(taken.lastEvent, 1)
    // The same again is not written down again.
    await link.post('/node/v1/report', {
      ...report,
      events: [{ sequence: 1, at: 1, kind: 'break-glass', detail: { image: 'x', reason: 'a reason' } }],
    })
    const audit = await json<{ action: string }[]>('audit', 'list', '--number', '200')
    assert.equal(audit.filter(({ action }) => action === 'node.break-glass').length, 1)
    await assert.rejects(link.post('/node/v1/report', { ...report, more: 1 }), {
      code: 'FAILED_PRECONDITION',
    })
    assert.equal((await pratique('nodes', 'remove', 'worker-2')).code, 0)
    await assert.rejects(link.post('/node/v1/report', report), {
      code: 'UNAUTHENTICATED',
      message: /was removed/,
    })
    link.close()
  })

  test('a certificate is renewed once, by half of its life, and the new one is used', async () => {
    const place = join(lab.folder, 'etc/pratique/enrolment')
    const kept = readEnrolment(place) ?? assert.fail()
    const identity = readFileSync(join(place, 'node.pem'), 'utf8')
    const almostOver = { ...kept, expiresAt: Date.now() + 86_400_000 }
    writeFileSync(join(place, 'enrolment.json'), JSON.stringify(almostOver))
    const link = new ServerLink(place, almostOver)
    const renewed = await renew(link, place)
    assert.ok(renewed.expiresAt > almostOver.expiresAt)
    assert.deepEqual(link.enrolment, renewed, 'the next report would renew it again')
    assert.deepEqual(readEnrolment(place), renewed)
    assert.notEqual(readFileSync(join(place, 'node.pem'), 'utf8'), identity)
    await link.post('/node/v1/report', {
      agentVersion: '1',
      runtimes: [],
      running: [],
      cached: [],
      events: [],
    })
    link.close()
  })

  test('the server shows its runtimes and what runs, and which images are no longer cleared', async () => {
    const image = wasmArtifact(loopModule.bytes)
    const reference = await lab.pushArtifact('prod/loop:1', image)
    await lab.startAgent()
    cri = lab.connect()
    const config = { metadata: { name: 'web', namespace: 'shop', uid: 'u1' } }
    const { podSandboxId } = await cri.call('RunPodSandbox', { config, runtimeHandler: 'wasm' })
    const { imageRef } = await cri.call('PullImage', { image: { image: reference } })
    const create = () =>
      cri.call('CreateContainer', {
        podSandboxId,
        config: { metadata: { name: crypto.randomUUID() }, image: { image: imageRef } },
      })
    const { containerId } = await create()
    await cri.call('StartContainer', { containerId })
    await restartAgent()
    interface Running {
      readonly node: string
      readonly pod: string
      readonly isCleared: boolean
      readonly reasons: string[]
    }
    let running: Running[] = []
    await until('the container was not reported', async () => {
      running = await json('running')
      return running.length > 0
    })
    assert.deepEqual(
      running.map(({ node, pod, isCleared }) => [node, pod, isCleared]),
      [['worker-1', 'shop/web', true]],
    )
    const [node] = await json<{ name: string; runtimes: { handler: string; isolation: string }[] }[]>(
      'nodes',
      'list',
    )
    assert.ok(
      node?.runtimes.some(({ handler, isolation }) => handler === 'wasm' && isolation === 'wasm-sandbox'),
    )
    assert.match((await pratique('nodes', 'show', 'worker-1')).stdout, /wasm-sandbox/)
    assert.deepEqual(await json('running', '--not-cleared'), [])
    const held = await lab.product.api('POST', '/api/v1/quarantine', {
      image: `prod/loop@${image.digest}`,
      reason: 'bad',
    })
    assert.ok(held.status < 300, JSON.stringify(held.body))
    running = await json('running', '--not-cleared')
    assert.equal(running[0]?.pod, 'shop/web')
    assert.match(running[0]?.reasons.join(' ') ?? '', /quarantined/)
    await assert.rejects(create(), { code: 'PERMISSION_DENIED' })
  })

  test('glass is broken where the policy lets it, with a reason that the audit log has', async () => {
    const [running] = await json<{ digest: string }[]>('running', '--not-cleared')
    const digest = running?.digest ?? ''
    const [pod] = (await cri.call('ListPodSandbox')).items
    const create = () =>
      cri.call('CreateContainer', {
        podSandboxId: pod?.id ?? '',
        config: {
          metadata: { name: crypto.randomUUID() },
          image: { image: `${lab.product.host}/prod/loop@${digest}` },
        },
      })
    const breaking = await runToEnd(
      join(import.meta.dirname, '../../bin/pratique'),
      ['node', 'break-glass', digest, '--reason', 'the pager says so'],
      lab.environment,
    )
    assert.equal(breaking.code, 0, breaking.stderr)
    await assert.rejects(create(), { code: 'PERMISSION_DENIED' })
    await lab.askOfNodes({ breakGlassHours: 2 })
    await restartAgent()
    await until('the policy did not come to the node', async () =>
      create().then(
        () => true,
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'PERMISSION_DENIED')
          return false
        },
      ),
    )
    await restartAgent()
    await until('the audit log was not told', async () => {
      const audit = await json<{ action: string; detail?: { reason?: string } }[]>('audit', 'list')
      return audit.some(
        ({ action, detail }) => action === 'node.break-glass' && detail?.reason === 'the pager says so',
      )
    })
  })

  test('what is withdrawn is stopped where the policy says so now, and what glass was broken for stays', async () => {
    const [podSandboxId = ''] = (await cri.call('ListPodSandbox')).items.map(({ id }) => id)
    const start = async (image: string): Promise<string> => {
      const { containerId } = await cri.call('CreateContainer', {
        podSandboxId,
        config: { metadata: { name: crypto.randomUUID() }, image: { image } },
      })
      await cri.call('StartContainer', { containerId })
      return containerId
    }
    const stateOf = async (containerId: string): Promise<string | undefined> =>
      (await cri.call('ContainerStatus', { containerId })).status?.state
    const [held] = await json<{ digest: string }[]>('running', '--not-cleared')
    const kept = await start(`${lab.product.host}/prod/loop@${held?.digest}`)
    const customSection = Buffer.from([0, 2, 1, 0x65])
    const image = wasmArtifact(Buffer.concat([loopModule.bytes, customSection]))
    const reference = await lab.pushArtifact('prod/evicted:1', image)
    const { imageRef } = await cri.call('PullImage', { image: { image: reference } })
    const evicted = await start(imageRef)
    await lab.product.api('POST', '/api/v1/quarantine', {
      image: `prod/evicted@${image.digest}`,
      reason: 'bad',
    })
    await restartAgent()
    await until('it was not reported', async () =>
      (await json<{ container: string }[]>('running', '--not-cleared')).some(
        ({ container }) => container === evicted,
      ),
    )
    assert.equal(await stateOf(evicted), 'CONTAINER_RUNNING', 'the policy only wants it reported')
    await lab.askOfNodes({ breakGlassHours: 2, quarantined: 'evict' })
    await restartAgent()
    await until('it was not stopped', async () => (await stateOf(evicted)) === 'CONTAINER_EXITED')
    await restartAgent()
    await until('the audit log was not told', async () =>
      (await json<{ action: string; detail?: { container?: string } }[]>('audit', 'list')).some(
        ({ action, detail }) => action === 'node.evicted' && detail?.container === evicted,
      ),
    )
    assert.equal(await stateOf(kept), 'CONTAINER_RUNNING')
  })
})
