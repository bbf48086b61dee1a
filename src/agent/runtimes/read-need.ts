import type { PodSandboxConfig } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'
import { isolationLevels, type IsolationLevel, type Need } from './types.ts'

/** Annotations by which a pod says what it needs instead of naming a handler. */
export const needAnnotations = {
  isolation: 'pratique.dev/isolation',
  performance: 'pratique.dev/performance',
  wasm: 'pratique.dev/wasm',
} as const

/** What a pod needs, by its annotations. Throws INVALID_ARGUMENT for what is not understood: a need is never ignored. */
export function readNeed(config: PodSandboxConfig | null): Need {
  const annotations = config?.annotations ?? {}
  const isolation = oneOf(annotations, needAnnotations.isolation, ['strong', ...isolationLevels])
  const performance = oneOf(annotations, needAnnotations.performance, ['best'])
  const wasm = oneOf(annotations, needAnnotations.wasm, ['true', 'false'])
  return {
    ...(isolation ? { isolation: isolation as IsolationLevel | 'strong' } : {}),
    ...(performance ? { performance: 'best' } : {}),
    ...(wasm === 'true' ? { isWasm: true } : {}),
  }
}

function oneOf(
  annotations: Readonly<Record<string, string>>,
  name: string,
  values: readonly string[],
): string | undefined {
  const value = annotations[name]
  if (value === undefined || values.includes(value)) return value
  throw new CriFailure(
    'INVALID_ARGUMENT',
    `the annotation ${name} cannot be ${JSON.stringify(value.slice(0, 100))}; it takes ${values.join(', ')}`,
  )
}
