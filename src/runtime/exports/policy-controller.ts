import { X509Certificate } from 'node:crypto'
import { stringify } from 'yaml'
import { signatureClaim, type Signer } from '../../signing/offline.ts'
import type { SignaturePolicy } from '../../policy/offline.ts'
import type { ExportedFile, RuntimeExport } from '../types.ts'
import {
  admissionScopes,
  type AdmissionAbilities,
  type AdmissionAsk,
  type AdmissionScope,
} from './admission.ts'
import { whyKeyCannotCount } from './ask-signers.ts'
import { globExpression, resourceName } from './glob-expression.ts'
import { readTrustedRootParts, type LogParts, type TrustedRootParts } from './trusted-root-parts.ts'
import { exportFormats } from '../wire.ts'

type Document = Readonly<Record<string, unknown>>

/** Sigstore's policy-controller: one ClusterImagePolicy for each that has to have signed. */
export const policyController: RuntimeExport = {
  name: 'policy-controller',
  help: exportFormats['policy-controller'],
  write(trust, options) {
    const scopes = admissionScopes(trust, options, abilities)
    const asked = scopes.flatMap((scope) => policiesOf(trust.registry, scope))
    const signers = scopes.flatMap(({ asks }) => asks.flatMap((ask) => [...ask.signers]))
    const roots = [...new Map(signers.map((signer) => [signer.name, signer])).values()].flatMap(trustRoot)
    return {
      files: [
        ...(roots.length > 0 ? [yamlFile('00-trust-roots.yaml', roots)] : []),
        yamlFile('10-policies.yaml', [passPolicy(trust.registry), ...numbered(asked)]),
        ...(options.others === 'reject' ? [yamlFile('20-config.yaml', [denyUnmatched])] : []),
      ],
      notes: [
        options.others === 'reject'
          ? `images that no policy knows are refused: only those of ${trust.registry} are known (20-config.yaml)`
          : 'LOOSER: set no-match-policy to allow in the ConfigMap config-policy-controller, as asked by --others accept',
        'only namespaces with the label policy.sigstore.dev/include=true are looked at',
        'static pods, and whatever goes round the API server, are not looked at',
        'every policy that fits an image has to hold: what is asked of ** is asked of every prefix too',
        'signatures are read from the tag sha256-….sig; bundles are not read',
        ...scopes.flatMap(({ notes }) => notes),
      ],
    }
  },
}

const abilities: AdmissionAbilities = {
  whyNot({ identity }, policy) {
    if (identity.kind === 'notation' || identity.kind === 'openpgp')
      return 'only sigstore signatures are read'
    if (!policy.formats.includes('cosign-legacy')) return 'only the format cosign-legacy is read'
    const root = identity.trustedRoot === undefined ? undefined : readTrustedRootParts(identity.trustedRoot)
    if (policy.requireLog && (root?.logs.length ?? 0) === 0) return 'it has no trusted root with a log'
    if (policy.requireTimestamp && (root?.timestampAuthorities.length ?? 0) === 0) {
      return 'it has no trusted root with a timestamp authority'
    }
    if (identity.kind === 'key') return whyKeyCannotCount(identity.publicKey, policy)
    return (root?.authorities.length ?? 0) === 0 ? 'its root has no authority' : undefined
  },
  problemsOf: ({ maximumAgeDays, requireLog, requireTimestamp }) => [
    ...(maximumAgeDays === undefined ? [] : ['the age of a signature cannot be asked']),
    // With a timestamp authority, the controller leaves out the log.
    ...(requireLog && requireTimestamp ? ['a log and a timestamp together cannot be asked'] : []),
  ],
}

function yamlFile(name: string, documents: readonly Document[]): ExportedFile {
  const content = documents.map((one) => stringify(one, { lineWidth: 0 })).join('---\n')
  return { path: `policy-controller/${name}`, content }
}

function numbered(policies: readonly { readonly name: string; readonly spec: Document }[]): Document[] {
  return policies.map(({ name, spec }, index) =>
    policyDocument(`pratique-${String(index + 1).padStart(3, '0')}-${name}`.replace(/-$/, ''), spec),
  )
}

function policyDocument(name: string, spec: Document): Document {
  return { apiVersion: 'policy.sigstore.dev/v1beta1', kind: 'ClusterImagePolicy', metadata: { name }, spec }
}

/** An image that no policy fits is one of another registry, so ours have one that lets them through to the others. */
function passPolicy(registry: string): Document {
  return policyDocument('pratique-000-known', {
    images: [{ glob: `${registry}/**` }],
    authorities: [{ name: 'known', static: { action: 'pass' } }],
  })
}

const denyUnmatched: Document = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'config-policy-controller', namespace: 'cosign-system' },
  data: { 'no-match-policy': 'deny' },
}

function policiesOf(
  registry: string,
  { repositories, policy, isRefused, asks }: AdmissionScope,
): { readonly name: string; readonly spec: Document }[] {
  // A name is followed by ":tag" or "@digest", and "@" may not stand in a glob.
  const glob = `${registry}/${repositories.endsWith('**') ? repositories : `${repositories}**`}`
  const base = { images: [{ glob }], mode: policy.mode === 'enforce' ? 'enforce' : 'warn' }
  if (isRefused) {
    const message = 'the policy asks what cannot be asked here'
    const authorities = [{ name: 'refused', static: { action: 'fail', message } }]
    return [{ name: resourceName(repositories, 'refused'), spec: { ...base, authorities } }]
  }
  return asks.map((ask) => ({
    name: resourceName(repositories, ask.clause.name),
    spec: { ...base, authorities: ask.signers.map((signer) => authority(signer, policy, ask)) },
  }))
}

function authority({ name, identity }: Signer, policy: SignaturePolicy, { clause }: AdmissionAsk): Document {
  const trustRootRef = rootName(name)
  const root = identity.kind === 'key' || identity.kind === 'certificate' ? identity.trustedRoot : undefined
  const parts = root === undefined ? undefined : readTrustedRootParts(root)
  const isLogged = policy.requireLog || (identity.kind === 'certificate' && !identity.withoutLog)
  const isStamped =
    policy.requireTimestamp ||
    // Without a log, a short-lived certificate needs some proof of its time.
    (identity.kind === 'certificate' && !isLogged && (parts?.timestampAuthorities.length ?? 0) > 0)
  return {
    name: resourceName(name),
    ...whoOf(identity, trustRootRef, parts),
    ...(isLogged ? { ctlog: { trustRootRef, ...urlOf(parts?.logs[0]?.baseUrl) } } : {}),
    ...(isStamped ? { rfc3161timestamp: { trustRootRef } } : {}),
    ...(clause.claim === signatureClaim
      ? {}
      : { attestations: [{ name: resourceName(clause.name), predicateType: clause.claim }] }),
  }
}

function whoOf(
  identity: Signer['identity'],
  trustRootRef: string,
  parts: TrustedRootParts | undefined,
): Document {
  if (identity.kind === 'key') return { key: { data: identity.publicKey, hashAlgorithm: 'sha256' } }
  if (identity.kind !== 'certificate') return {}
  const { subject, match, issuer, withoutSct } = identity
  return {
    keyless: {
      ...urlOf(parts?.authorities[0]?.uri),
      trustRootRef,
      identities: [
        {
          ...(issuer === undefined ? { issuerRegExp: '.*' } : { issuer }),
          ...(match === 'exact' ? { subject } : { subjectRegExp: globExpression(subject) }),
        },
      ],
      ...(withoutSct ? { insecureIgnoreSCT: true } : {}),
    },
  }
}

function urlOf(url: string | undefined): { readonly url?: string } {
  return url === undefined || url === '' ? {} : { url }
}

function rootName(signer: string): string {
  return resourceName('pratique', signer)
}

function trustRoot({ name, identity }: Signer): Document[] {
  if ((identity.kind !== 'key' && identity.kind !== 'certificate') || identity.trustedRoot === undefined)
    return []
  const parts = readTrustedRootParts(identity.trustedRoot)
  const sigstoreKeys = {
    certificateAuthorities: parts.authorities.map(authorityEntry),
    ...(parts.logs.length > 0 ? { tLogs: parts.logs.map(logEntry) } : {}),
    ...(parts.certificateLogs.length > 0 ? { ctLogs: parts.certificateLogs.map(logEntry) } : {}),
    ...(parts.timestampAuthorities.length > 0
      ? { timestampAuthorities: parts.timestampAuthorities.map(authorityEntry) }
      : {}),
  }
  return [
    {
      apiVersion: 'policy.sigstore.dev/v1alpha1',
      kind: 'TrustRoot',
      metadata: { name: rootName(name) },
      spec: { sigstoreKeys },
    },
  ]
}

function authorityEntry({ uri = '', chain }: TrustedRootParts['authorities'][number]): Document {
  const names = new X509Certificate(chain.at(-1) as string).subject.split('\n')
  const read = (key: string): string =>
    names.find((line) => line.startsWith(`${key}=`))?.slice(key.length + 1) ?? ''
  return {
    subject: { organization: read('O'), commonName: read('CN') },
    uri,
    certChain: Buffer.from(chain.join('')).toString('base64'),
  }
}

function logEntry({ baseUrl, publicKey }: LogParts): Document {
  return { baseURL: baseUrl, hashAlgorithm: 'sha-256', publicKey: Buffer.from(publicKey).toString('base64') }
}
