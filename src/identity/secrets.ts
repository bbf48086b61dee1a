import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { hash, verify } from '@node-rs/argon2'
import { IdentityFailure } from './failures.ts'

/** OWASP's first choice for Argon2id: 19 MiB, two passes, one lane. */
const argon2 = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }
const minimumPasswordLength = 8
const maximumPasswordLength = 256
/** Verifications at the same time, so that a flood of sign-ins cannot take all memory. */
const maximumParallel = 2

/** Hashes a password with Argon2id. Throws ACCOUNT_INVALID for one that is too short or too long. */
export async function hashPassword(password: string): Promise<string> {
  if (password.length < minimumPasswordLength || password.length > maximumPasswordLength) {
    throw new IdentityFailure(
      'ACCOUNT_INVALID',
      `a password has ${minimumPasswordLength} to ${maximumPasswordLength} characters`,
    )
  }
  return hash(password, argon2)
}

let running = 0
const waiting: (() => void)[] = []

/** Checks a password. With no hash (an unknown name) it takes just as long and is false. */
export async function verifyPassword(password: string, passwordHash: string | undefined): Promise<boolean> {
  if (password.length > maximumPasswordLength) return false
  if (running >= maximumParallel) await new Promise<void>((resolve) => waiting.push(resolve))
  running++
  try {
    const against = passwordHash ?? (await decoyHash())
    const matches = await verify(against, password)
    return matches && passwordHash !== undefined
  } finally {
    running--
    waiting.shift()?.()
  }
}

let decoy: Promise<string> | undefined
function decoyHash(): Promise<string> {
  decoy ??= hash(randomBytes(16).toString('hex'), argon2)
  return decoy
}

/** A secret that nobody has to remember: a prefix that says what it is, and 256 random bits. */
export function makeSecret(prefix: string): string {
  return `${prefix}${randomBytes(32).toString('base64url')}`
}

/** Such a secret needs no slow hash: it cannot be guessed. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

export function matchesSecret(secret: string, secretHash: string | null): boolean {
  if (secretHash === null) return false
  return timingSafeEqual(Buffer.from(hashSecret(secret), 'hex'), Buffer.from(secretHash, 'hex'))
}
