import { delimiter } from 'node:path'
import { findProgram } from '../runtimes/find-runtimes.ts'
import type { WasmProgram } from './types.ts'

/** Node's own WASI, and the programs for Wasm that are installed. */
export function findWasmPrograms(path = process.env['PATH'] ?? ''): WasmProgram[] {
  const found = (['wasmtime', 'wasmedge'] as const).flatMap((kind) => {
    const program = findProgram(kind, `${path}${delimiter}/usr/local/bin`)
    return program === undefined ? [] : [{ handler: kind, kind, program }]
  })
  return [{ handler: 'wasm', kind: 'node' }, ...found]
}
