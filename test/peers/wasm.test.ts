import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { nobody, NodeLab } from '../fixtures/node-lab.ts'
import { runToEnd, type Ran } from '../fixtures/start-product.ts'
import { wasmArtifact } from '../fixtures/wasm-artifact.ts'
import {
  growModule,
  loopModule,
  makeModule,
  openModule,
  readModule,
  talkModule,
  trapModule,
  twoMemoriesModule,
} from '../fixtures/wasm-modules.ts'
import { findPeers, rootSkip } from './peer.ts'

const { skip: missing, paths } = findPeers('wat2wasm', 'setpriv', 'wasmedge')
const program = join(import.meta.dirname, '../../bin/pratique')

test('the modules of the tests are those of the text beside them', { skip: missing }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'pratique-wat-'))
  for (const { text, bytes } of [
    growModule,
    loopModule,
    makeModule,
    openModule,
    readModule,
    talkModule,
    trapModule,
    twoMemoriesModule,
  ]) {
    writeFileSync(join(folder, 'a.wat'), text)
    execFileSync(paths.wat2wasm, [
      '--enable-multi-memory',
      join(folder, 'a.wat'),
      '-o',
      join(folder, 'a.wasm'),
    ])
    assert.deepEqual(readFileSync(join(folder, 'a.wasm')), bytes)
  }
  rmSync(folder, { recursive: true })
})

describe('an agent without root', { skip: missing || rootSkip() }, () => {
  const [setpriv = '', ...asNobody] = nobody.prefix
  let lab: NodeLab
  let image: string
  const home = mkdtempSync(join(tmpdir(), 'pratique-nobody-'))
  const environment = () => ({
    ...process.env,
    HOME: home,
    XDG_RUNTIME_DIR: home,
    XDG_STATE_HOME: home,
    NODE_COMPILE_CACHE: home,
    PATH: `${dirname(paths.wasmedge)}:${process.env['PATH']}`,
  })

  before(async () => {
    const source = join(home, 'talk.wat')
    writeFileSync(source, talkModule.text)
    execFileSync(paths.wat2wasm, [source, '-o', join(home, 'talk.wasm')])
    lab = await NodeLab.open()
    image = await lab.pushArtifact('prod/talk:1', wasmArtifact(readFileSync(join(home, 'talk.wasm'))))
    await lab.setUp({ backends: [{ kind: 'wasm', name: 'wasm' }] })
    lab.giveTo(nobody)
    chownSync(home, nobody.id, nobody.id)
    await lab.startAgent(environment(), nobody)
  })
  after(async () => {
    if (missing || rootSkip()) return
    await lab.close()
    rmSync(home, { recursive: true, force: true })
  })

  test('runs a module that was compiled here, from an image that was cleared', () => {
    const run = (): string =>
      execFileSync(setpriv, [...asNobody, program, 'run', '--wasm', '--rm', '-e', 'A=b', image, 'ahoy'], {
        env: { ...environment(), ...lab.environment },
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
    assert.throws(run, (error: Error & { status: number; stdout: string }) => {
      assert.deepEqual([error.status, error.stdout], [7, 'module.wasm\0ahoy\0'])
      return true
    })
  })

  const inWasmedge = async (bytes: Buffer, ...more: string[]): Promise<Ran> => {
    const name = await lab.pushArtifact(`prod/${randomUUID()}:1`, wasmArtifact(bytes))
    const argv = [...asNobody, program, 'run', '--handler', 'wasmedge', '--rm', ...more, name, 'one', 'two']
    return runToEnd(setpriv, argv, { ...environment(), ...lab.environment })
  }

  test('runs modules by wasmedge as well, with arguments, variables and folders, and a limit of memory', async () => {
    const talked = await inWasmedge(talkModule.bytes, '-e', 'GREETING=ahoy')
    assert.deepEqual([talked.code, talked.stdout], [7, 'module.wasm\0one\0two\0'])
    // After the progress of the pull.
    assert.match(talked.stderr, /\nGREETING=ahoy\0$/)
    const grown = await inWasmedge(growModule.bytes, '--memory', '16m')
    assert.equal(grown.code, 9, grown.stderr)
    const data = join(home, 'data')
    mkdirSync(data)
    writeFileSync(join(data, 'note'), 'what is in the note')
    const read = await inWasmedge(readModule.bytes, '-v', `${data}:/data`)
    assert.deepEqual([read.code, read.stdout], [0, 'what is in the note'])
    const trapped = await inWasmedge(trapModule.bytes)
    assert.notEqual(trapped.code, 0)
  })

  test('is led out of no folder by links, by wasmedge as little as by Node', async () => {
    const links = join(home, 'links')
    mkdirSync(join(links, 'sub'), { recursive: true })
    writeFileSync(join(home, 'secret'), 'secret')
    writeFileSync(join(links, 'sub/note'), 'inside')
    symlinkSync('..', join(links, 'out'))
    symlinkSync(home, join(links, 'far'))
    symlinkSync('../secret', join(links, 'last'))
    symlinkSync('sub', join(links, 'kept'))
    const name = await lab.pushArtifact(`prod/${randomUUID()}:1`, wasmArtifact(openModule.bytes))
    for (const [handler, access] of [
      ['wasmedge', ''],
      ['wasm', ':ro'],
    ] as const) {
      const open = (path: string): Promise<Ran> => {
        const argv = ['run', '--handler', handler, '--rm', '-v', `${links}:/data${access}`, name, path]
        return runToEnd(setpriv, [...asNobody, program, ...argv], { ...environment(), ...lab.environment })
      }
      const inside = await open('kept/note')
      assert.deepEqual([inside.code, inside.stdout], [0, 'inside'], handler)
      for (const path of ['out/secret', 'far/secret', 'last']) {
        const { code, stdout } = await open(path)
        assert.notEqual(code, 0, `${handler} ${path}`)
        assert.equal(stdout, '')
      }
    }
  })

  test('gives a component to wasmedge only, and says who runs it', async () => {
    const emptyComponent = Buffer.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0])
    const name = await lab.pushArtifact('prod/component:1', wasmArtifact(emptyComponent))
    const here = await runToEnd(setpriv, [...asNobody, program, 'run', '--wasm', name], {
      ...environment(),
      ...lab.environment,
    })
    assert.match(here.stderr, /install wasmtime or wasmedge/)
    // It has nothing to be called, which only a program that reads components can tell.
    const there = await inWasmedge(emptyComponent)
    assert.notEqual(there.code, 0)
    assert.doesNotMatch(there.stderr, /component \(WASI preview 2\)/)
  })

  test('refuses one that is not signed', async () => {
    const unsigned = await lab.pushArtifact('prod/stranger:1', wasmArtifact(trapModule.bytes), false)
    const run = (): string =>
      execFileSync(setpriv, [...asNobody, program, 'run', '--wasm', unsigned], {
        env: { ...environment(), ...lab.environment },
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      })
    assert.throws(run, (error: Error & { status: number; stderr: string }) => {
      assert.equal(error.status, 1)
      assert.match(error.stderr, /not cleared/)
      return true
    })
  })
})
