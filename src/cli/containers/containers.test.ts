import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'
import { CriLog } from '../../agent/logs/cri-log.ts'
import { followLog, parseLogLine, type LogLine } from './follow-log.ts'
import { containerConfig, podConfig, readPort, readSize, readVolume, type RunOptions } from './run-options.ts'
import { lineOf, PullDisplay } from './show-pull.ts'

const folder = mkdtempSync(join(tmpdir(), 'pratique-cli-'))
after(() => rmSync(folder, { recursive: true }))
const plain: RunOptions = { network: 'pod', pull: 'missing' }

describe('options of a run', () => {
  test('sizes, ports and volumes are read, and what is none is refused', () => {
    assert.deepEqual(['64', '1k', '1.5m', '2g'].map(readSize), [64, 1024, 1_572_864, 2_147_483_648])
    assert.deepEqual(['64b', '64KB', '1gb'].map(readSize), [64, 65_536, 1_073_741_824])
    for (const text of ['', '-1', '0', 'm', '1x', '1 m', '9e9g', '1bb', '1bk', '1mbb'])
      assert.throws(() => readSize(text), text)
    assert.deepEqual(readPort('127.0.0.1:8080:80/udp'), {
      hostIp: '127.0.0.1',
      hostPort: 8080,
      containerPort: 80,
      protocol: 'UDP',
    })
    for (const text of ['80', '0:80', '80:99999', 'x:80', '80:80/icmp'])
      assert.throws(() => readPort(text), text)
    assert.deepEqual(readVolume('/a:/b:ro'), { hostPath: '/a', containerPath: '/b', readonly: true })
    assert.equal(readVolume('./a:/b').readonly, false)
    for (const text of ['name:/b', '/a', '/a:b', '/a:/b:rx', '/a:/b:ro:x'])
      assert.throws(() => readVolume(text), text)
  })

  test('what is asked becomes what the CRI knows', () => {
    const pod = podConfig({ ...plain, network: 'none', isolation: 'strong' }, 'web', '/logs')
    assert.equal(pod.annotations?.['pratique.dev/isolation'], 'strong')
    assert.equal(pod.annotations?.['pratique.dev/network'], 'none')
    const published = { ...plain, network: 'pod', publish: ['80:8080'] } as const
    assert.equal(podConfig(published, 'web', '/logs').portMappings?.[0]?.containerPort, 8080)
    for (const without of [{ network: 'none' }, { network: 'host' }, { wasm: true }] as const) {
      assert.throws(() => podConfig({ ...published, ...without }, 'web', '/logs'), /leave 80:8080 out/)
    }
    const options = {
      ...plain,
      env: ['A=b=c', 'HOME'],
      cpus: '0.5',
      user: '7:8',
      entrypoint: '/x',
      label: ['k=v'],
    }
    const config = containerConfig(options, 'web', { ref: 'sha256:1', named: 'app:1' }, ['arg'])
    assert.deepEqual(config.command, ['/x'])
    assert.deepEqual(config.args, ['arg'])
    assert.equal(config.envs?.[0]?.value?.toString(), 'b=c')
    assert.equal(config.envs?.[1]?.value?.toString(), process.env['HOME'])
    assert.equal(config.linux?.resources?.cpuQuota, 50_000)
    assert.equal(config.linux?.securityContext?.runAsUser?.value, 7)
    assert.equal(config.labels?.['k'], 'v')
    assert.equal(config.labels?.['pratique.dev/name'], 'web')
    const unset = { ...plain, env: ['A=1', 'NOT_SET_HERE', 'A=2'] }
    assert.deepEqual(containerConfig(unset, 'web', { ref: '', named: '' }, []).envs, [
      { key: 'A', value: Buffer.from('2') },
    ])
    for (const wrong of [
      { env: ['=x'] },
      { cpus: 'many' },
      { user: 'a:b' },
      { label: ['x'] },
      { envFile: '/no/file' },
    ]) {
      assert.throws(
        () => containerConfig({ ...plain, ...wrong }, 'x', { ref: '', named: '' }, []),
        JSON.stringify(wrong),
      )
    }
  })
})

describe('logs', () => {
  const read = async (path: string): Promise<LogLine[]> => {
    const lines: LogLine[] = []
    for await (const line of followLog(path, () => true)) lines.push(line)
    return lines
  }

  test('what a container wrote comes out as it went in, whatever the pieces', async () => {
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }), async (parts) => {
        const path = join(folder, `log-${run++}`)
        const log = new CriLog({ path, now: Date.now })
        const bytes = Buffer.concat(parts.flatMap((part) => [Buffer.from('\n'), part]))
        for (let at = 0; at < bytes.length; at += 7) log.write('stdout', bytes.subarray(at, at + 7))
        log.close()
        const told = (await read(path)).flatMap(({ content, isPartial }) =>
          isPartial ? [content] : [content, Buffer.from('\n')],
        )
        assert.deepEqual(Buffer.concat(told), bytes)
      }),
      { numRuns: 50 },
    )
  })

  test('a long line comes in pieces of 16 KiB, and a full file is set aside', async () => {
    const path = join(folder, 'long')
    const log = new CriLog({ path, now: Date.now, maximumBytes: 60_000 })
    log.write('stderr', Buffer.from(`${'x'.repeat(40_000)}\n`))
    log.write('stderr', Buffer.from(`${'y'.repeat(40_000)}\n`))
    log.close()
    const [first, second] = [await read(`${path}.1`), await read(path)]
    assert.deepEqual(first.map(({ isPartial }) => isPartial).slice(0, 3), [true, true, false])
    assert.equal(
      Buffer.concat([...first, ...second].map(({ content }) => content)).toString(),
      `${'x'.repeat(40_000)}${'y'.repeat(40_000)}`,
    )
  })

  test('a log is followed to its end, and through a rotation', async () => {
    const path = join(folder, 'followed')
    writeFileSync(path, '2026-01-01T00:00:00Z stdout F one\n')
    let step = 0
    const seen: string[] = []
    for await (const { content } of followLog(path, () => step > 3)) {
      const text = content.toString()
      seen.push(text)
      step++
      if (text === 'one') appendFileSync(path, '2026-01-01T00:00:00Z stdout F two\n')
      if (text === 'two') {
        renameSync(path, `${path}.1`)
        writeFileSync(
          path,
          '2026-01-01T00:00:00Z stderr F three\nno line of a log\n2026-01-01T00:00:00Z stdout P four',
        )
        appendFileSync(path, '\n')
      }
    }
    assert.deepEqual(seen, ['one', 'two', 'three', 'four'])
  })

  test('a line keeps every space of what was written', () => {
    assert.deepEqual(parseLogLine(Buffer.from('2026-01-01T00:00:00Z stdout F   a  b ')), {
      time: '2026-01-01T00:00:00Z',
      stream: 'stdout',
      isPartial: false,
      content: Buffer.from('  a  b '),
    })
    for (const text of ['', 'stdout F x', '2026 stdin F x']) {
      assert.equal(parseLogLine(Buffer.from(text)), undefined)
    }
  })
})

describe('a pull that is shown', () => {
  const layer = (digest: string, doneBytes: number, state: string) => ({
    digest,
    doneBytes,
    totalBytes: 1000,
    state,
  })

  test('is a line a layer where there is no terminal, and bars over one another where there is one', () => {
    for (const [isTerminal, expected] of [
      [false, 2],
      [true, 4],
    ] as const) {
      let text = ''
      const display = new PullDisplay(isTerminal, (more) => (text += more))
      display.take(layer('sha256:aaaaaaaaaaaaaaaa', 10, 'fetching'))
      display.take(layer('sha256:aaaaaaaaaaaaaaaa', 1000, 'done'))
      display.take(layer('sha256:bbbbbbbbbbbbbbbb', 1000, 'present'))
      display.end()
      assert.ok(text.split('\n').length - 1 >= expected, text)
      assert.equal(text.includes('\u001b['), isTerminal)
    }
  })

  test('no line is wider than the page', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 2 ** 40 }), (done, total) => {
        const line = lineOf(
          { digest: `sha256:${'a'.repeat(64)}`, doneBytes: done, totalBytes: total, state: 'unpacking' },
          true,
        )
        assert.ok(line.length <= 80, line)
      }),
    )
  })
})
