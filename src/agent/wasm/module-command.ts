import type { ModuleJob, WasmProgram } from './types.ts'

const runner = new URL('run-module.mjs', import.meta.url).pathname
const pageBytes = 64 * 1024
/** Of JavaScript, which has nothing to do with the module's memory. */
const heapMegabytes = 64

/** The command line that runs a module in the way of its program. */
export function moduleCommand(
  { kind, program }: WasmProgram,
  /** What is to be done, and the file that says it. */
  {
    job,
    file,
    memoryBytes,
  }: { readonly job: ModuleJob; readonly file: string; readonly memoryBytes: number },
): { readonly program: string; readonly arguments: readonly string[] } {
  const [, ...rest] = job.arguments
  const folders = Object.entries(job.folders)
  const variables = Object.entries(job.environment).map(([name, value]) => `${name}=${value}`)
  if (kind === 'node') {
    return {
      program: process.execPath,
      arguments: [
        '--no-warnings',
        `--max-old-space-size=${heapMegabytes}`,
        '--max-semi-space-size=1',
        `--wasm-max-mem-pages=${Math.floor(memoryBytes / pageBytes)}`,
        // It starts no processes and no threads, and loads no code of the machine.
        '--permission',
        '--allow-wasi',
        '--allow-fs-read=*',
        '--allow-fs-write=*',
        runner,
        file,
      ],
    }
  }
  if (kind === 'wasmtime') {
    return {
      program: program as string,
      arguments: [
        'run',
        `-Wmax-memory-size=${memoryBytes}`,
        ...folders.map(([seen, path]) => `--dir=${path}::${seen}`),
        ...variables.flatMap((one) => ['--env', one]),
        job.module,
        ...rest,
      ],
    }
  }
  return {
    program: program as string,
    arguments: [
      ...(job.isComponent ? ['--enable-component'] : []),
      `--memory-page-limit=${Math.floor(memoryBytes / pageBytes)}`,
      ...folders.flatMap(([seen, path]) => ['--dir', `${seen}:${path}`]),
      ...variables.flatMap((one) => ['--env', one]),
      job.module,
      ...rest,
    ],
  }
}
