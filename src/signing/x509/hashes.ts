import type * as Pkijs from 'pkijs'

/** The hashes that are taken, as `node:crypto` names them. */
export type Sha2 = 'sha256' | 'sha384' | 'sha512'

export const sha2: Readonly<Record<string, Sha2>> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
}

/** RSA (PKCS #1) and ECDSA. */
const signatures: Readonly<Record<string, Sha2>> = {
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
}
export const rsaPss = '1.2.840.113549.1.1.10'

/** The hash in a signature algorithm, which RSASSA-PSS has among its parameters; `undefined` when none is taken. */
export function hashOfSignature(
  { algorithmId, algorithmParams }: Pkijs.AlgorithmIdentifier,
  { RSASSAPSSParams }: typeof Pkijs,
): Sha2 | undefined {
  if (algorithmId !== rsaPss) return signatures[algorithmId]
  return sha2[new RSASSAPSSParams({ schema: algorithmParams }).hashAlgorithm.algorithmId]
}
