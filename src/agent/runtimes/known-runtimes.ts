import type { IsolationLevel } from './types.ts'

interface KnownRuntime {
  readonly name: string
  readonly isolation: IsolationLevel
  /** Fits in the names of its programs and of its containerd shims. */
  readonly pattern: RegExp
}

/** What is known of low-level runtimes; the first whose pattern fits. */
const knownRuntimes: readonly KnownRuntime[] = [
  { name: 'node-wasi', isolation: 'wasm-sandbox', pattern: /^wasm$/ },
  { name: 'runsc', isolation: 'user-space-kernel', pattern: /runsc|gvisor/ },
  { name: 'kata', isolation: 'virtual-machine', pattern: /kata/ },
  { name: 'wasmtime', isolation: 'wasm-sandbox', pattern: /wasmtime/ },
  { name: 'wasmedge', isolation: 'wasm-sandbox', pattern: /wasmedge/ },
  { name: 'spin', isolation: 'wasm-sandbox', pattern: /(^|[-./])spin([-.]|$)/ },
  { name: 'crun-wasm', isolation: 'wasm-sandbox', pattern: /crun-wasm/ },
  { name: 'youki', isolation: 'process', pattern: /youki/ },
  { name: 'crun', isolation: 'process', pattern: /crun/ },
  { name: 'runc', isolation: 'process', pattern: /runc/ },
]

/**
 * The low-level runtime behind names that a daemon gives, the most telling first: the program, the type of shim
 * (`io.containerd.runsc.v1`), the handler. What a program is called says what it is, a handler's name only hints.
 */
export function recogniseRuntime(
  names: readonly (string | undefined)[],
): Pick<KnownRuntime, 'name' | 'isolation'> | undefined {
  for (const name of names) {
    if (name === undefined || name === '') continue
    const found = knownRuntimes.find(({ pattern }) => pattern.test(name.toLowerCase()))
    if (found) return found
  }
  return undefined
}
