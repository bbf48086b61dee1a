import { webcrypto } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { keyAlgorithm, makeCertificateKeys, openX509 } from '../../runtime/offline.ts'
import type { NodeCertificate } from '../../runtime/wire.ts'
import { CriFailure } from '../cri/failures.ts'
import {
  enrolmentFiles,
  fetchAuthority,
  readEnrolment,
  sendTo,
  writeWhole,
  type Enrolment,
  type ServerLink,
} from './server-link.ts'

export interface EnrolOptions {
  /** `https://host:port` of the port of the nodes. */
  readonly server: string
  /** As `pratique node token` printed it: a secret, and the fingerprint of the server's authority. */
  readonly token: string
  readonly name: string
  readonly folder: string
}

/** Enrols this node: makes a key, which stays here, and has it certified. Throws `CriFailure`. */
export async function enrol({ server, token, name, folder }: EnrolOptions): Promise<Enrolment> {
  const [, fingerprint] = /^[A-Za-z0-9_-]{43}\.([0-9a-f]{64})$/.exec(token) ?? []
  if (fingerprint === undefined)
    throw new CriFailure('INVALID_ARGUMENT', 'that is no token of pratique node token')
  if (!URL.canParse(server) || new URL(server).protocol !== 'https:') {
    throw new CriFailure('INVALID_ARGUMENT', `${server} is no https address of the port of the nodes`)
  }
  const before = readEnrolment(folder)
  if (before)
    throw new CriFailure(
      'ALREADY_EXISTS',
      `this node is enrolled as ${before.name} at ${before.server}; remove ${folder} to enrol it anew`,
    )
  const ca = await fetchAuthority(server, fingerprint)
  const { request, key } = await makeRequest(name)
  const answer = await sendTo(server, 'POST', '/node/v1/enrol', { token, name, request }, { ca })
  return keep(folder, server, JSON.parse(answer.toString()) as NodeCertificate, key)
}

/** A new key and certificate in place of those that are kept. */
export async function renew(link: ServerLink, folder: string): Promise<Enrolment> {
  const { request, key } = await makeRequest(link.enrolment.name)
  const renewed = keep(
    folder,
    link.enrolment.server,
    await link.post<NodeCertificate>('/node/v1/renew', { request }),
    key,
  )
  link.reload(renewed)
  return renewed
}

/** PKCS#10 (RFC 2986), signed with the key that it is for. */
async function makeRequest(name: string): Promise<{ readonly request: string; readonly key: string }> {
  const x509 = await openX509()
  const { keys, privateKeyPem } = await makeCertificateKeys()
  const request = await x509.Pkcs10CertificateRequestGenerator.create(
    { name: `CN=${name}`, signingAlgorithm: keyAlgorithm, keys },
    webcrypto,
  )
  return { request: request.toString('pem'), key: privateKeyPem }
}

/** The enrolment is written last: without it there is none, whatever else lies there. */
function keep(folder: string, server: string, certified: NodeCertificate, key: string): Enrolment {
  const { id, name, certificate, authorities, expiresAt } = certified
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  writeWhole(join(folder, enrolmentFiles.identity), `${key.trimEnd()}\n${certificate.trimEnd()}\n`, 0o600)
  writeWhole(join(folder, enrolmentFiles.authorities), authorities.join('\n'), 0o644)
  const enrolment = { server, id, name, expiresAt }
  writeWhole(join(folder, enrolmentFiles.enrolment), JSON.stringify(enrolment, null, 2), 0o644)
  return enrolment
}
