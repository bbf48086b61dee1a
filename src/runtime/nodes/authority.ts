import { createHash, randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import type { Database } from '../../database/index.ts'
import type { Clock } from '../../kernel/clock.ts'
import { RuntimeFailure } from '../failures.ts'
import { importSigningKey, keyAlgorithm, makeCertificateKeys, openX509 } from './certificate-keys.ts'

const dayMs = 86_400_000
const authorityMs = 3_650 * dayMs
/** Of certificates of nodes: a week, renewed at half of it. */
export const nodeCertificateMs = 7 * dayMs
export const serverCertificateMs = 30 * dayMs
/** Clocks of nodes may be a little behind. */
const skewMs = 300_000

/** Whoever signs the certificates of nodes and of the port that they talk to: ECDSA on P-256, kept in the database. */
export interface NodeAuthority {
  readonly certificatePem: string
  readonly privateKeyPem: string
}

interface Parts {
  readonly database: Database
  readonly clock: Clock
}

/** All authorities, the newest first; the first is made when it is needed. */
export async function listAuthorities({ database, clock }: Parts): Promise<NodeAuthority[]> {
  const find = () => database.selectFrom('node_authority').selectAll().orderBy('created_at', 'desc').execute()
  const rows = await find()
  if (rows.length === 0) {
    const made = await makeAuthority(clock.now())
    // Of two servers that begin at once, one is first.
    await database
      .insertInto('node_authority')
      .values({
        id: 'first',
        certificate_pem: made.certificatePem,
        private_key_pem: made.privateKeyPem,
        created_at: clock.now(),
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }
  return (rows.length > 0 ? rows : await find()).map((row) => ({
    certificatePem: row.certificate_pem,
    privateKeyPem: row.private_key_pem,
  }))
}

/** What tokens carry, so that a node knows its server before it has anything else: SHA-256 of the certificate. */
export function fingerprintOf(certificatePem: string): string {
  return createHash('sha256').update(new X509Certificate(certificatePem).raw).digest('hex')
}

async function makeAuthority(now: number): Promise<NodeAuthority> {
  const x509 = await openX509()
  const { keys, privateKeyPem } = await makeCertificateKeys()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serial(),
      name: 'CN=Pratique nodes',
      notBefore: new Date(now - skewMs),
      notAfter: new Date(now + authorityMs),
      signingAlgorithm: keyAlgorithm,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ],
    },
    webcrypto,
  )
  return { certificatePem: certificate.toString('pem'), privateKeyPem }
}

/** A certificate and key for the port of the nodes. */
export async function issueServerCertificate(
  authority: NodeAuthority,
  names: readonly string[],
  now: number,
) {
  const x509 = await openX509()
  const { privateKeyPem: key, publicKeyDer } = await makeCertificateKeys()
  const all = [...new Set([...(names.length > 0 ? names : [hostname()]), 'localhost', '127.0.0.1'])]
  const certificate = await issue(authority, {
    publicKey: publicKeyDer,
    subject: 'CN=Pratique',
    now,
    lifetimeMs: serverCertificateMs,
    usage: x509.ExtendedKeyUsage.serverAuth,
    names: all.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
  })
  return { certificate, key }
}

/** The certificate of a node, for the key of its request (PKCS#10). Throws NODE_REQUEST_INVALID. */
export async function issueNodeCertificate(
  authority: NodeAuthority,
  node: { readonly id: string; readonly name: string },
  requestPem: string,
  now: number,
): Promise<string> {
  const x509 = await openX509()
  const publicKey = await readRequest(requestPem)
  return issue(authority, {
    publicKey,
    subject: `CN=${node.name}`,
    now,
    lifetimeMs: nodeCertificateMs,
    usage: x509.ExtendedKeyUsage.clientAuth,
    names: [{ type: 'url', value: nodeUri(node.id) }],
  })
}

export function nodeUri(id: string): string {
  return `pratique:node:${id}`
}

/** The key of a request, whose owner has signed it. */
async function readRequest(pem: string): Promise<Buffer> {
  const x509 = await openX509()
  try {
    const request = new x509.Pkcs10CertificateRequest(pem)
    if (!(await request.verify(webcrypto))) throw new Error('its signature is not that of its key')
    return Buffer.from(request.publicKey.rawData)
  } catch (error) {
    throw new RuntimeFailure(
      'NODE_REQUEST_INVALID',
      `the request to be certified does not hold: ${(error as Error).message}`,
    )
  }
}

interface Wish {
  readonly publicKey: Buffer
  readonly subject: string
  readonly now: number
  readonly lifetimeMs: number
  readonly usage: string
  readonly names: readonly { readonly type: string; readonly value: string }[]
}

async function issue({ certificatePem, privateKeyPem }: NodeAuthority, wish: Wish): Promise<string> {
  const x509 = await openX509()
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serial(),
      subject: wish.subject,
      issuer: new x509.X509Certificate(certificatePem).subject,
      notBefore: new Date(wish.now - skewMs),
      notAfter: new Date(wish.now + wish.lifetimeMs),
      signingAlgorithm: keyAlgorithm,
      publicKey: new x509.PublicKey(wish.publicKey),
      signingKey: await importSigningKey(privateKeyPem),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([wish.usage]),
        new x509.SubjectAlternativeNameExtension(wish.names),
      ],
    },
    webcrypto,
  )
  return certificate.toString('pem')
}

/** RFC 5280 section 4.1.2.2: positive, and not to be guessed. */
function serial(): string {
  return `01${randomBytes(15).toString('hex')}`
}
