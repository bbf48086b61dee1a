import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { interpolate } from './interpolate.ts'
import { findProjectName } from './compose-file.ts'
import { prepareService } from './prepare-service.ts'
import { readProject, type Project, type ReadOptions } from './read-project.ts'

const folder = mkdtempSync(join(tmpdir(), 'pratique-compose-'))
after(() => rmSync(folder, { recursive: true }))

function write(document: object | string): string {
  const file = join(folder, 'compose.yaml')
  writeFileSync(file, typeof document === 'string' ? document : stringify(document))
  return file
}
function read(document: object | string, options: Partial<ReadOptions> = {}): Project {
  const file = write(document)
  return readProject({
    file,
    projectName: 'shop',
    network: 'pod',
    pull: 'missing',
    environment: {},
    ...options,
  })
}
const one = (service: object) => read({ services: { web: { image: 'a', ...service } } }).services[0]

describe('a compose file', () => {
  test('gives each service as a container of pratique run', () => {
    writeFileSync(join(folder, 'web.env'), '# of the shop\nFROM_FILE=1\n')
    mkdirSync(join(folder, 'site'), { recursive: true })
    const web = one({
      command: 'serve --port 80',
      entrypoint: ['/bin/tool', '-v'],
      environment: { A: 'b', N: 1, TAKEN: null },
      env_file: 'web.env',
      volumes: ['./site:/site:ro', '/etc/ssl:/etc/ssl'],
      ports: ['8080:80', '127.0.0.1:53:53/udp'],
      user: 1000,
      mem_limit: '64m',
      cpus: 0.5,
      cap_drop: ['ALL'],
      runtime: 'runsc',
      restart: 'no',
      'x-note': 'for people',
    })
    assert.deepEqual(web?.command, ['-v', 'serve', '--port', '80'])
    const { options } = web ?? assert.fail()
    assert.deepEqual(options.env, ['FROM_FILE=1', 'A=b', 'N=1', 'TAKEN'])
    assert.deepEqual(options.volume, [`${join(folder, 'site')}:/site:ro`, '/etc/ssl:/etc/ssl'])
    assert.deepEqual(options.publish, ['8080:80', '127.0.0.1:53:53/udp'])
    const { entrypoint, user, memory, cpus, handler, hostname, network } = options
    assert.deepEqual(
      [entrypoint, user, memory, cpus, handler, hostname, network],
      ['/bin/tool', '1000', '64m', '0.5', 'runsc', 'web', 'pod'],
    )
  })

  test('orders services by what they wait for, and refuses a circle', () => {
    const names = (services: object): string[] => read({ services }).services.map(({ name }) => name)
    assert.deepEqual(
      names({
        c: { image: 'i', depends_on: ['b'] },
        b: { image: 'i', depends_on: { a: {} } },
        a: { image: 'i' },
      }),
      ['a', 'b', 'c'],
    )
    assert.throws(
      () => names({ a: { image: 'i', depends_on: ['b'] }, b: { image: 'i', depends_on: ['a'] } }),
      /wait for each other: a, b, a/,
    )
    assert.throws(
      () => names({ a: { image: 'i', depends_on: ['z'] } }),
      /a depends on z, which is no service/,
    )
  })

  for (const [about, document, message] of [
    [
      'all that is not understood, at once',
      { services: { web: { image: 'a', build: '.', healthcheck: {} } }, volumes: {} },
      /volumes, services\.web\.build, services\.web\.healthcheck cannot be done here/,
    ],
    ['a restart', { services: { web: { image: 'a', restart: 'always' } } }, /services\.web\.restart/],
    ['a named volume', { services: { web: { image: 'a', volumes: ['data:/data'] } } }, /no named volumes/],
    [
      'quotes in a command',
      { services: { web: { image: 'a', command: 'sh -c "echo"' } } },
      /as a list of words/,
    ],
    ['no image', { services: { web: {} } }, /services\.web/],
    ['a name that no pod could have', { services: { Web_1: { image: 'a' } } }, /small letters/],
    ['no services', { services: {} }, /no services/],
    [
      'ports in the network of the machine',
      { services: { web: { image: 'a', network_mode: 'host', ports: ['1:1'] } } },
      /services\.web: --publish is for pods/,
    ],
    [
      'a health that is waited for',
      {
        services: {
          a: { image: 'a' },
          web: { image: 'a', depends_on: { a: { condition: 'service_healthy' } } },
        },
      },
      /services\.web\.depends_on/,
    ],
    [
      'a dependency that may be missing, or that restarts others',
      {
        services: {
          a: { image: 'a' },
          b: { image: 'a', depends_on: { a: { required: false } } },
          c: { image: 'a', depends_on: { a: { restart: true, when: 1 } } },
        },
      },
      /services\.b\.depends_on\.a\.required, services\.c\.depends_on\.a\.restart, services\.c\.depends_on\.a\.when cannot/,
    ],
    [
      'another kind of machine',
      { services: { web: { image: 'a', platform: 'linux/s390x' } } },
      /services\.web\.platform is linux\/\w+ on this machine, or wasi\/wasm, and not linux\/s390x/,
    ],
    [
      'ports of a Wasm module',
      { services: { web: { image: 'a', platform: 'wasi/wasm', ports: ['1:1'] } } },
      /services\.web: --publish is for pods .* not for a Wasm module/,
    ],
    [
      'a limit that is none',
      { services: { web: { image: 'a', mem_limit: '64x' } } },
      /services\.web: --memory takes a number/,
    ],
    [
      'a port of which the other side would be guessed',
      { services: { web: { image: 'a', ports: [8080] } } },
      /services\.web: --publish takes \[address:\]port:port/,
    ],
    ['text that is no YAML', 'services: [', /cannot be read/],
    ['a list', '- a', /is no compose file/],
  ] as const) {
    test(`refuses ${about}`, () => {
      assert.throws(() => read(document), message)
    })
  }

  test('refuses ports where up gives all the network of the machine', () => {
    const document = { services: { web: { image: 'a', ports: ['1:1'] } } }
    assert.throws(
      () => read(document, { network: 'host' }),
      /services\.web: --publish is for pods .* not for the network host/,
    )
  })

  test('takes what says only what is done in any case', () => {
    const { services } = read({
      services: {
        a: { image: 'a', platform: 'linux', mem_limit: '64mb', ports: [] },
        b: { image: 'a', platform: 'wasip1/wasm', depends_on: { a: { required: true, restart: false } } },
      },
    })
    assert.deepEqual(
      services.map(({ options }) => options.wasm),
      [false, true],
    )
  })

  test('tells its name where variables have no values and files are missing', () => {
    const file = write({ name: 'shop-${STAGE-1}', services: { web: { image: '$NONE', env_file: 'none' } } })
    assert.equal(findProjectName({ file, environment: {} }), 'shop-1')
    assert.equal(findProjectName({ file: '/nowhere', projectName: 'Other', environment: {} }), 'other')
  })
})

describe('what the agent is given', () => {
  const prepare = (service: object, options: Partial<ReadOptions> = {}, project = 'shop') => {
    const [given = assert.fail()] = read({ services: { web: { image: 'a', ...service } } }, options).services
    return prepareService('/run/p.sock', project, given, { imageRef: 'sha256:1', isolation: '' })
  }

  test('is the same again unless the file, the image or a variable that is passed on has changed', () => {
    const service = { environment: ['PASSED_ON'] }
    process.env['PASSED_ON'] = 'one'
    const { hash } = prepare(service)
    assert.equal(prepare(service, { pull: 'always' }).hash, hash)
    process.env['PASSED_ON'] = 'two'
    assert.notEqual(prepare(service).hash, hash)
    delete process.env['PASSED_ON']
    assert.notEqual(prepare({}).hash, prepare({ hostname: 'other' }).hash)
  })

  test('has no variable that has no value, not even from a file', () => {
    writeFileSync(join(folder, 'web.env'), 'GONE=1\nKEPT=1\n')
    const { container } = prepare({ env_file: 'web.env', environment: { GONE: null, NEVER: null } })
    assert.deepEqual(
      container.envs?.map(({ key }) => key),
      ['KEPT'],
    )
  })

  test('cannot write the addresses of others, and has a log that is of nobody else', () => {
    const { container, pod } = prepare({})
    const hosts = container.mounts?.find(({ containerPath }) => containerPath === '/etc/hosts')
    assert.equal(hosts?.readonly, true)
    assert.notEqual(prepare({}).pod.logDirectory, pod.logDirectory)
  })
})

describe('variables', () => {
  const values = { TAG: '1.2', EMPTY: '' }
  for (const [text, expected] of [
    ['app:$TAG', 'app:1.2'],
    ['app:${TAG}-alpine', 'app:1.2-alpine'],
    ['${NONE:-latest}', 'latest'],
    ['${EMPTY:-latest}', 'latest'],
    ['${EMPTY-latest}', ''],
    ['${TAG:?needed}', '1.2'],
    ['costs $$5', 'costs $5'],
    ['a $ alone', 'a $ alone'],
    ['${TAG:+--tls}', '--tls'],
    ['${EMPTY:+--tls}', ''],
    ['${EMPTY+--tls}', '--tls'],
    ['${NONE+--tls}', ''],
    ['${TAG?needed}', '1.2'],
    ['${NONE:-${TAG}/app}', '1.2/app'],
    ['${NONE:-$TAG}', '1.2'],
    ['${NONE:-a${EMPTY:-b${NONE-c}}}d', 'abcd'],
    ['${TAG:-${NONE:?unasked}}', '1.2'],
    ['${NONE:-$$TAG}', '$TAG'],
    ['$${TAG} {} }', '${TAG} {} }'],
    ['$1 $(id) $', '$1 $(id) $'],
  ] as const) {
    test(`in ${text} are put in place`, () => assert.equal(interpolate(text, values), expected))
  }

  test('without a value or a default are errors that name them', () => {
    assert.throws(() => interpolate('app:$NONE', values), /\$NONE has no value: set NONE/)
    assert.throws(() => interpolate('${EMPTY:?say which}', values), /EMPTY has no value: say which/)
    assert.throws(() => interpolate('${NONE?not $TAG}', values), /NONE has no value: not 1\.2/)
    assert.throws(() => interpolate('${NONE:-${NONE}}', values), /\$\{NONE\} has no value: set NONE/)
  })

  for (const text of [
    '${TAG/1/2}',
    '${TAG',
    '${TAG:-${NONE}',
    '${}',
    '${1}',
    '${TAG:=x}',
    '${TAG:-${!X}}',
    '${A:-'.repeat(100_000),
  ]) {
    test(`as in ${text.slice(0, 20)} are refused, not passed on`, () =>
      assert.throws(() => interpolate(text, values), /is not understood: variables are as/))
  }

  test('take no text apart that has none of them', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes('$')),
        (text) => interpolate(text, {}) === text,
      ),
    )
  })
})
