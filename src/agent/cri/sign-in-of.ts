import type { AuthConfig } from './cri-types.ts'

/** A sign-in at a registry, as a pull brings it. */
export interface SignIn {
  readonly username: string
  readonly password: string
}

/** CRI, AuthConfig: a name and password, or both joined as HTTP's Basic has them. */
export function signInOf(auth: AuthConfig | null): SignIn | undefined {
  if (!auth) return undefined
  if (auth.username !== '') return { username: auth.username, password: auth.password }
  if (auth.auth === '') return undefined
  const [username = '', ...password] = Buffer.from(auth.auth, 'base64').toString().split(':')
  return { username, password: password.join(':') }
}
