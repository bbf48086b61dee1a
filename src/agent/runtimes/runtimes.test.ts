import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parseAllDocuments } from 'yaml'
import { backendOf } from '../cri/backend.ts'
import { decode, encode } from '../cri/protocol.ts'
import { CriFailure } from '../cri/failures.ts'
import { chooseHandler, isAtLeast } from './choose-handler.ts'
import { explainFailure } from './explain-failure.ts'
import { joinPrograms } from './join-programs.ts'
import { recogniseRuntime } from './known-runtimes.ts'
import { readHandlers } from './read-handlers.ts'
import { readNeed } from './read-need.ts'
import { probeModule } from './probe-module.ts'
import { reportRuntimes, type FoundRuntime } from './report-runtimes.ts'
import { runtimeClasses, writeRuntimeClasses } from './runtime-classes.ts'
import { isolationLevels, type RuntimeReport } from './types.ts'

interface Recorded {
  readonly version: object
  readonly status: { readonly runtimeHandlers: object[]; readonly info: Readonly<Record<string, unknown>> }
}

/** What a real containerd said, as a backend. */
function recorded(name: string, file: string) {
  const { version, status } = JSON.parse(
    readFileSync(new URL(`testdata/${file}`, import.meta.url), 'utf8'),
  ) as Recorded
  const info = Object.fromEntries(
    Object.entries(status.info).map(([key, value]) => [key, JSON.stringify(value)]),
  )
  return backendOf(
    name,
    {
      Version: async () => version,
      Status: async () => ({
        status: { conditions: [{ type: 'RuntimeReady', status: true }] },
        runtimeHandlers: status.runtimeHandlers,
        info,
      }),
    },
    async () => {},
  )
}

const report = (handler: string, more: Partial<RuntimeReport> = {}): RuntimeReport => ({
  handler,
  backend: 'b',
  backendHandler: handler,
  kind: 'engine',
  runtime: handler,
  program: undefined,
  version: undefined,
  features: [],
  isolation: 'process',
  state: 'works',
  ...more,
})

describe('handlers of daemons', () => {
  for (const file of ['containerd-1.6.json', 'containerd-2.1.json']) {
    test(`${file}: are read with their programs, and one of them is what pods get that name none`, async () => {
      const { runtime, handlers } = await readHandlers(recorded('containerd', file))
      assert.equal(runtime, 'containerd')
      assert.ok(handlers.some(({ name, shim }) => name === 'runc' && shim === 'io.containerd.runc.v2'))
      assert.deepEqual(
        handlers.filter(({ isDefault }) => isDefault).map(({ name }) => name),
        ['runc'],
      )
    })
  }

  test('of several daemons each has a name of its own, and a name that was given comes first', async () => {
    const backends = [
      { kind: 'cri' as const, backend: recorded('old', 'containerd-1.6.json') },
      { kind: 'cri' as const, backend: recorded('young', 'containerd-2.1.json') },
    ]
    const names = (await reportRuntimes(backends)).map(({ handler }) => handler)
    assert.equal(new Set(names).size, names.length)
    assert.ok(names.includes('runc') && names.includes('young-runc'))
    const named = await reportRuntimes(backends, {
      handlers: { fast: { backend: 'young', handler: 'runc' } },
    })
    assert.ok(named.some(({ handler, backend }) => handler === 'fast' && backend === 'young'))
  })

  test('a daemon that does not answer is told as broken, with what it said', async () => {
    const away = backendOf(
      'away',
      {
        Version: async () => {
          throw new CriFailure('UNAVAILABLE', 'away does not answer at /run/away.sock')
        },
      },
      async () => {},
    )
    const [found] = await reportRuntimes([{ kind: 'cri', backend: away }])
    assert.deepEqual([found?.state, found?.why], ['broken', 'away does not answer at /run/away.sock'])
  })

  test('a program says what it is, and a handler’s name only when nothing else does', () => {
    for (const [names, runtime] of [
      [['/usr/bin/runsc', 'io.containerd.runc.v2', 'runc'], 'runsc'],
      [[undefined, 'io.containerd.kata.v2', 'secure'], 'kata'],
      [[undefined, undefined, 'gvisor'], 'runsc'],
      [[undefined, undefined, 'wasm'], 'node-wasi'],
    ] as const) {
      assert.equal(recogniseRuntime(names)?.name, runtime)
    }
    assert.equal(recogniseRuntime([undefined, 'io.example.own.v1', 'own']), undefined)
  })
})

describe('programs for Wasm', () => {
  test('a crun that only has the name is told as broken', async () => {
    const path = '/usr/bin/crun-wasm'
    const [found] = await reportRuntimes(
      [{ kind: 'cri', backend: recorded('containerd', 'containerd-2.1.json') }],
      { programs: [] },
    )
    const handler = {
      ...(found as FoundRuntime),
      runtime: 'crun-wasm',
      program: path,
      state: 'untried' as const,
      shim: undefined as never,
    }
    const program = { runtime: 'crun-wasm', isolation: 'wasm-sandbox', path, version: '1.28' } as const
    const join = (features: readonly string[]) => joinPrograms([handler], [{ ...program, features }])[0]
    assert.equal(join(['seccomp'])?.state, 'broken')
    assert.match(join(['seccomp'])?.why ?? '', /built without Wasm/)
    assert.notEqual(join(['seccomp', 'wasm'])?.state, 'broken')
  })

  test('are tried with a module, and what is none is told with what it said', async () => {
    const { state, startMs = 0, memoryBytes = 0 } = await probeModule({ handler: 'wasm', kind: 'node' }, 1)
    assert.equal(state, 'works')
    assert.ok(startMs > 0)
    assert.ok(memoryBytes > 0 || process.platform !== 'linux')
    const broken = await probeModule({ handler: 'w', kind: 'wasmtime', program: '/nowhere/wasmtime' }, 1)
    assert.equal(broken.state, 'broken')
    assert.match(broken.why ?? '', /ENOENT/)
  })
})

describe('the choice', () => {
  const all = [
    report('runc', { startMs: 50 }),
    report('crun', { startMs: 20 }),
    report('gvisor', { isolation: 'user-space-kernel', startMs: 200 }),
    report('kata', { isolation: 'virtual-machine', state: 'broken' }),
    report('wasm', { isolation: 'wasm-sandbox' }),
  ]
  const choose = (asked: Parameters<typeof chooseHandler>[0], more = {}) =>
    chooseHandler(asked, all, more).handler

  test('is what is named, what is needed, or what is usual', () => {
    assert.equal(choose({}), 'runc')
    assert.equal(choose({}, { defaultHandler: 'crun' }), 'crun')
    assert.equal(choose({ handler: 'crun' }), 'crun')
    assert.equal(choose({ need: { isolation: 'strong' } }), 'gvisor')
    assert.equal(choose({ need: { performance: 'best' } }), 'crun')
    assert.equal(choose({ need: { isWasm: true } }), 'wasm')
    assert.equal(choose({}, { demanded: 'user-space-kernel' }), 'gvisor')
  })

  test('is refused with what there is, and what helps', () => {
    assert.throws(() => choose({ handler: 'gvisr' }), { code: 'NOT_FOUND', message: /gvisor/ })
    assert.throws(() => choose({ handler: 'runc' }, { demanded: 'user-space-kernel' }), {
      code: 'FAILED_PRECONDITION',
    })
    assert.throws(() => choose({ need: { isolation: 'virtual-machine' } }), { code: 'FAILED_PRECONDITION' })
    assert.throws(() => chooseHandler({}, []), { code: 'FAILED_PRECONDITION' })
  })

  test('never falls below what is demanded, whatever is asked', () => {
    const level = fc.constantFrom(...isolationLevels)
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ isolation: level, state: fc.constantFrom('works' as const, 'broken' as const) }),
          { maxLength: 5 },
        ),
        level,
        fc.record({ isolation: level, performance: fc.constant('best' as const) }, { requiredKeys: [] }),
        (found, demanded, need) => {
          const reports = found.map((one, index) => report(`h${index}`, one))
          try {
            assert.ok(isAtLeast(chooseHandler({ need }, reports, { demanded }).isolation, demanded))
          } catch (error) {
            assert.ok(error instanceof CriFailure, String(error))
          }
        },
      ),
    )
  })

  test('of a pod is by its annotations, and what is not understood is refused', () => {
    const pod = (annotations: Record<string, string>) =>
      decode('PodSandboxConfig', encode('PodSandboxConfig', { annotations }))
    assert.deepEqual(readNeed(pod({ 'pratique.dev/isolation': 'strong', 'pratique.dev/wasm': 'false' })), {
      isolation: 'strong',
    })
    assert.deepEqual(readNeed(null), {})
    assert.throws(() => readNeed(pod({ 'pratique.dev/isolation': 'stronk' })), { code: 'INVALID_ARGUMENT' })
  })
})

test('a RuntimeClass has the overhead that was measured, and none that was not', () => {
  const classes = runtimeClasses(
    [
      report('gvisor', { isolation: 'user-space-kernel', memoryBytes: 41 * 1024 * 1024 + 1 }),
      report('runc'),
      report('kata', { state: 'broken' }),
    ],
    { nodeSelector: { pool: 'workers' }, prefix: 'p-' },
  )
  const documents = parseAllDocuments(writeRuntimeClasses(classes)).map(
    (one) =>
      one.toJS() as {
        metadata: { name: string }
        handler: string
        overhead?: { podFixed: { memory: string } }
      },
  )
  assert.deepEqual(
    documents.map(({ metadata, handler, overhead }) => [metadata.name, handler, overhead?.podFixed.memory]),
    [
      ['p-gvisor', 'gvisor', '42Mi'],
      ['p-runc', 'runc', undefined],
    ],
  )
})

test('what runtimes complain of is explained with a remedy', () => {
  for (const [said, cause] of [
    ['cgroups in hybrid mode not supported, drop all controllers from cgroupv2', 'hybrid-cgroups'],
    ['setrlimit (RLIM_MEMLOCK): RLIMIT_MEMLOCK: Operation not permitted', 'memlock'],
    ['error while loading shared libraries: libx.so', 'missing-library'],
  ] as const) {
    assert.equal(explainFailure(said)?.cause, cause)
  }
})
