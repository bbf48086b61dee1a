import { createPrivateKey, generateKeyPairSync, webcrypto } from 'node:crypto'

/** What nodes, their authority and the port of the nodes sign with. */
export const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

export interface CertificateKeys {
  readonly keys: webcrypto.CryptoKeyPair
  /** PKCS#8. */
  readonly privateKeyPem: string
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyDer: Buffer
}

export async function makeCertificateKeys(): Promise<CertificateKeys> {
  const pair = generateKeyPairSync('ec', { namedCurve: keyAlgorithm.namedCurve })
  const privateKeyPem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const publicKeyDer = pair.publicKey.export({ type: 'spki', format: 'der' })
  const publicKey = await webcrypto.subtle.importKey('spki', publicKeyDer, keyAlgorithm, true, ['verify'])
  return {
    keys: { privateKey: await importSigningKey(privateKeyPem), publicKey },
    privateKeyPem,
    publicKeyDer,
  }
}

export function importSigningKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' })
  return webcrypto.subtle.importKey('pkcs8', der, keyAlgorithm, false, ['sign'])
}

/** Large, and seldom needed. It looks for what describes classes before it is loaded. */
export async function openX509() {
  await import('reflect-metadata')
  return import('@peculiar/x509')
}
