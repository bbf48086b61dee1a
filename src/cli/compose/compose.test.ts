import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { interpolate } from './interpolate.ts'
import { readProject, type Project } from './read-project.ts'

const folder = mkdtempSync(join(tmpdir(), 'pratique-compose-'))
after(() => rmSync(folder, { recursive: true }))

function read(document: object | string, environment: Record<string, string> = {}): Project {
  const file = join(folder, 'compose.yaml')
  writeFileSync(file, typeof document === 'string' ? document : stringify(document))
  return readProject({ file, projectName: 'shop', network: 'pod', pull: 'missing', environment })
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
      /ports are of pods/,
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
    ['text that is no YAML', 'services: [', /cannot be read/],
    ['a list', '- a', /is no compose file/],
  ] as const) {
    test(`refuses ${about}`, () => {
      assert.throws(() => read(document), message)
    })
  }
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
