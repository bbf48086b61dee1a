/**
 * Runs one WebAssembly module by Node's own WASI (preview 1), as the only thing that this process does. Its argument
 * is a file that says what. The process is the sandbox's outer wall: it is started without the right to start others,
 * and with limits of memory; the module sees only the folders that are opened for it.
 */
import { readFileSync } from 'node:fs'
import { WASI } from 'node:wasi'
import type { ModuleJob } from './types.ts'

/** As far as it is used; the language's own library does not describe it. */
interface Engine {
  readonly compile: (bytes: Uint8Array) => Promise<unknown>
  readonly instantiate: (module: unknown, imports: object) => Promise<object>
}
const { WebAssembly: engine } = globalThis as unknown as { readonly WebAssembly: Engine }

const job = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as ModuleJob

process.exitCode = await run()

async function run(): Promise<number> {
  const wasi = new WASI({
    version: 'preview1',
    args: [...job.arguments],
    env: { ...job.environment },
    preopens: { ...job.folders },
    returnOnExit: true,
  })
  try {
    const module = await engine.compile(readFileSync(job.module))
    const instance = await engine.instantiate(module, wasi.getImportObject())
    return wasi.start(instance)
  } catch (error) {
    const { name, message } = error as Error
    process.stderr.write(`pratique: the module failed: ${name}: ${message}\n`)
    // As a shell says it of a program that was aborted.
    return 134
  }
}
