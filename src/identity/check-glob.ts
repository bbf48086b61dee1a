import { isGlob } from '../kernel/glob.ts'
import { IdentityFailure } from './failures.ts'

/** Throws RULE_INVALID for what is not a repository pattern. */
export function checkGlob(text: string): string {
  if (isGlob(text)) return text
  throw new IdentityFailure(
    'RULE_INVALID',
    `${JSON.stringify(text)} is not a repository pattern such as dev/** or dev/*`,
  )
}
