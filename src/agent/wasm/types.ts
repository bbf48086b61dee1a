import type { HeldParts } from '../engine/engine-parts.ts'

/** What a process is told that runs a module. */
export interface ModuleJob {
  /** The file of the module. */
  readonly module: string
  /** The first is the name of the program. */
  readonly arguments: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Folders of the machine by the names that the module has for them. */
  readonly folders: Readonly<Record<string, string>>
  /** Those of them in which it may change nothing. Only Node's own WASI is kept from it. */
  readonly readOnly?: readonly string[]
  /** It is a component (WASI preview 2), and no module. */
  readonly isComponent?: boolean
}

/** A program that runs modules. */
export interface WasmProgram {
  /** The handler as pods name it: `wasm` is Node's own WASI. */
  readonly handler: string
  readonly kind: 'node' | 'wasmtime' | 'wasmedge'
  /** Undefined: this process's own. */
  readonly program?: string
}

export interface WasmParts extends HeldParts {
  /** By handler; the first is for pods that name none. */
  readonly programs: ReadonlyMap<string, WasmProgram>
  /** Most memory of a module that asks for no limit of its own. */
  readonly memoryBytes: number
}
