import { constants, type KeyObject, type SigningOptions } from 'node:crypto'

/** How a key signs; signature specification, "Algorithm Selection". */
export interface SignatureAlgorithm {
  readonly name: (typeof algorithmNames)[number]
  readonly hash: 'sha256' | 'sha384' | 'sha512'
  readonly options: SigningOptions
}

export const algorithmNames = ['PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'] as const

/** IANA COSE algorithms. */
export const coseAlgorithms: ReadonlyMap<number, (typeof algorithmNames)[number]> = new Map([
  [-37, 'PS256'],
  [-38, 'PS384'],
  [-39, 'PS512'],
  [-7, 'ES256'],
  [-35, 'ES384'],
  [-36, 'ES512'],
])

// RFC 7518 sections 3.4 and 3.5, RFC 8230 section 2: r and s side by side; a salt as long as the hash.
const ecdsa = { dsaEncoding: 'ieee-p1363' } as const
const pss = {
  padding: constants.RSA_PKCS1_PSS_PADDING,
  saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
} as const

const byKey = new Map<string, SignatureAlgorithm>([
  ['rsa 2048', { name: 'PS256', hash: 'sha256', options: pss }],
  ['rsa 3072', { name: 'PS384', hash: 'sha384', options: pss }],
  ['rsa 4096', { name: 'PS512', hash: 'sha512', options: pss }],
  ['ec prime256v1', { name: 'ES256', hash: 'sha256', options: ecdsa }],
  ['ec secp384r1', { name: 'ES384', hash: 'sha384', options: ecdsa }],
  ['ec secp521r1', { name: 'ES512', hash: 'sha512', options: ecdsa }],
])

/** The one algorithm that a key signs with; `undefined` for keys that sign no code. */
export function signatureAlgorithmOf({
  asymmetricKeyType,
  asymmetricKeyDetails,
}: KeyObject): SignatureAlgorithm | undefined {
  const { namedCurve, modulusLength } = asymmetricKeyDetails ?? {}
  return byKey.get(`${asymmetricKeyType} ${namedCurve ?? modulusLength}`)
}
