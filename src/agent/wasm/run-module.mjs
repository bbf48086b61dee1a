/**
 * Runs one WebAssembly module by Node's own WASI (preview 1), as the only thing that this process does. Its argument
 * is a file that says what. The process is the sandbox's outer wall: it is started without the right to start others,
 * and with limits of memory; the module sees only the folders that are opened for it. It is JavaScript, as what takes
 * the types out of TypeScript is a module itself, for which the memory of a small one is too little.
 */
import { readFileSync, realpathSync } from 'node:fs'
import { WASI } from 'node:wasi'
import { keepInside } from './keep-inside.mjs'

/** @type {import('./types.ts').ModuleJob} */
const job = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'))
/**
 * As far as it is used; the language's own library does not describe it.
 * @typedef {{ readonly exports: { readonly memory: { readonly buffer: ArrayBuffer } } }} Instance
 * @type {{ compile: (bytes: Uint8Array) => Promise<unknown>, instantiate: (module: unknown, imports: object) => Promise<Instance> }}
 */
const engine = /** @type {any} */ (globalThis).WebAssembly

process.exitCode = await run()

/** @returns {Promise<number>} */
async function run() {
  const folders = Object.entries(job.folders).map(([seen, path]) => ({
    seen,
    path: realpathSync.native(path),
    isRoot: seen === '/',
    isReadOnly: job.readOnly?.includes(seen) ?? false,
  }))
  const wasi = new WASI({
    version: 'preview1',
    args: [...job.arguments],
    env: { ...job.environment },
    preopens: Object.fromEntries(folders.map(({ seen, path }) => [seen, path])),
    returnOnExit: true,
  })
  try {
    const module = await engine.compile(readFileSync(job.module))
    /** @type {Instance | undefined} */
    let instance
    // Only what is started has one.
    const memory = () => /** @type {Instance} */ (instance).exports.memory.buffer
    const imports = keepInside(wasi.wasiImport, folders, memory)
    instance = await engine.instantiate(module, { wasi_snapshot_preview1: imports })
    return wasi.start(instance)
  } catch (error) {
    const { name, message } = /** @type {Error} */ (error)
    process.stderr.write(`pratique: the module failed: ${name}: ${message}\n`)
    // As a shell says it of a program that was aborted.
    return 134
  }
}
