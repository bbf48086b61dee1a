import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { moduleCommand } from '../wasm/module-command.ts'
import type { ModuleJob, WasmProgram } from '../wasm/types.ts'
import { explainFailure } from './explain-failure.ts'
import { memoryOf } from './measure-processes.ts'
import { median, type Probe } from './probe-runtime.ts'

const startMs = 15_000
const memoryBytes = 1024 * 1024
const maximumOutput = 64 * 1024
const said = 'ready'

/**
 * Writes `ready` and goes round in a circle:
 * (module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
 *   (memory (export "memory") 1) (data (i32.const 16) "ready")
 *   (func (export "_start") (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 5))
 *     (drop (call 0 (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (loop (br 0))))
 */
const probe = Buffer.from(
  'AGFzbQEAAAABDAJgBH9/f38Bf2AAAAIjARZ3YXNpX3NuYXBzaG90X3ByZXZpZXcxCGZkX3dyaXRlAAADAgEBBQMBAAEHEwIGbWVtb3J5AgAG' +
    'X3N0YXJ0AAEKIgEgAEEAQRA2AgBBBEEFNgIAQQFBAEEBQQgQABoDQAwACwsLCwEAQRALBXJlYWR5',
  'base64',
)

/**
 * Whether a program truly runs modules here: it is given one that says a word, and is timed until the word is there.
 * What the process holds then is the program's own, as the module has one page. Leaves nothing behind.
 */
export async function probeModule(program: WasmProgram, samples = 5): Promise<Probe> {
  const folder = mkdtempSync(join(tmpdir(), 'pratique-probe-'))
  const [file, module] = [join(folder, 'module.json'), join(folder, 'probe.wasm')]
  const job: ModuleJob = { module, arguments: ['probe.wasm'], environment: {}, folders: {} }
  writeFileSync(module, probe)
  writeFileSync(file, JSON.stringify(job))
  const line = moduleCommand(program, { job, file, memoryBytes })
  try {
    const times: number[] = []
    let held = 0
    for (let sample = 0; sample < samples; sample++) {
      const tried = await tryModule(line)
      if ('why' in tried) return { state: 'broken', ...tried, failed: [{ arguments: [], ...tried }] }
      times.push(tried.tookMs)
      held = tried.memoryBytes
    }
    return { state: 'works', startMs: Math.round(median(times) * 10) / 10, memoryBytes: held, failed: [] }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Tried {
  readonly tookMs: number
  readonly memoryBytes: number
}

function tryModule({
  program,
  arguments: argv,
}: ReturnType<typeof moduleCommand>): Promise<Tried | ReturnType<typeof explainFailure>> {
  const begun = performance.now()
  const child = spawn(program, [...argv], { stdio: ['ignore', 'pipe', 'pipe'] })
  return new Promise((resolve) => {
    let output = ''
    let isTimedOut = false
    const timer = setTimeout(() => {
      isTimedOut = true
      child.kill('SIGKILL')
    }, startMs)
    let tried: Tried | undefined
    const end = (): void => {
      clearTimeout(timer)
      resolve(tried ?? explainFailure(output, isTimedOut))
    }
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output = `${output}${chunk.toString()}`.slice(0, maximumOutput)
        if (tried || !output.includes(said)) return
        tried = { tookMs: performance.now() - begun, memoryBytes: memoryOf(child.pid ? [child.pid] : []) }
        child.kill('SIGKILL')
      })
    }
    child.once('error', (error) => {
      output = error.message
      end()
    })
    child.once('close', end)
  })
}
