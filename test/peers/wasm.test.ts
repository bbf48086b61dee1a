import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { NodeLab } from '../fixtures/node-lab.ts'
import { wasmArtifact } from '../fixtures/wasm-artifact.ts'
import { growModule, loopModule, readModule, talkModule, trapModule } from '../fixtures/wasm-modules.ts'
import { findPeers, rootSkip } from './peer.ts'

const { skip: missing, paths } = findPeers('wat2wasm', 'setpriv')
const program = join(import.meta.dirname, '../../bin/pratique')

test('the modules of the tests are those of the text beside them', { skip: missing }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'pratique-wat-'))
  for (const { text, bytes } of [growModule, loopModule, readModule, talkModule, trapModule]) {
    writeFileSync(join(folder, 'a.wat'), text)
    execFileSync(paths.wat2wasm, [join(folder, 'a.wat'), '-o', join(folder, 'a.wasm')])
    assert.deepEqual(readFileSync(join(folder, 'a.wasm')), bytes)
  }
  rmSync(folder, { recursive: true })
})

describe('an agent without root', { skip: missing || rootSkip() }, () => {
  // Nobody's account: it may read this project, and write to its own folder only.
  const asNobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups']
  let lab: NodeLab
  let image: string
  let agent: ReturnType<typeof spawn>
  const home = mkdtempSync(join(tmpdir(), 'pratique-nobody-'))
  const environment = () => ({
    ...process.env,
    HOME: home,
    XDG_RUNTIME_DIR: home,
    XDG_STATE_HOME: home,
    NODE_COMPILE_CACHE: home,
  })

  before(async () => {
    const source = join(home, 'talk.wat')
    writeFileSync(source, talkModule.text)
    execFileSync(paths.wat2wasm, [source, '-o', join(home, 'talk.wasm')])
    lab = await NodeLab.open()
    image = await lab.pushArtifact('prod/talk:1', wasmArtifact(readFileSync(join(home, 'talk.wasm'))))
    await lab.setUp({ backends: [{ kind: 'wasm', name: 'wasm' }] })
    execFileSync('chown', ['-R', '65534:65534', home, lab.folder])
    chmodSync(lab.folder, 0o755)
    agent = spawn(paths.setpriv, [...asNobody, program, 'node', 'serve', '--config', lab.configPath], {
      env: environment(),
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    await new Promise<void>((resolve, reject) => {
      let said = ''
      agent.once('exit', (code) => reject(new Error(`the agent ended with ${code}: ${said}`)))
      createInterface({ input: agent.stderr as NodeJS.ReadableStream }).on('line', (line) => {
        said = `${said}${line}\n`.slice(-5_000)
        if (line.includes('the agent serves')) resolve()
      })
    })
  })
  after(async () => {
    if (missing || rootSkip()) return
    if (agent.exitCode === null) {
      const ended = new Promise((resolve) => agent.once('exit', resolve))
      agent.kill('SIGTERM')
      await ended
    }
    await lab.close()
    rmSync(home, { recursive: true, force: true })
  })

  test('runs a module that was compiled here, from an image that was cleared', () => {
    const run = (): string =>
      execFileSync(
        paths.setpriv,
        [...asNobody, program, 'run', '--wasm', '--rm', '-e', 'A=b', image, 'ahoy'],
        {
          env: { ...environment(), ...lab.environment },
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        },
      )
    assert.throws(run, (error: Error & { status: number; stdout: string }) => {
      assert.deepEqual([error.status, error.stdout], [7, 'module.wasm\0ahoy\0'])
      return true
    })
  })

  test('refuses one that is not signed', async () => {
    const unsigned = await lab.pushArtifact('prod/stranger:1', wasmArtifact(trapModule.bytes), false)
    const run = (): string =>
      execFileSync(paths.setpriv, [...asNobody, program, 'run', '--wasm', unsigned], {
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
