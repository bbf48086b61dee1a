import { stringify } from 'yaml'
import type { SignaturePolicy } from '../../policy/offline.ts'
import { signatureClaim, type Signer } from '../../signing/offline.ts'
import type { RuntimeExport } from '../types.ts'
import { admissionScopes, type AdmissionAbilities, type AdmissionScope } from './admission.ts'
import { whyKeyCannotCount } from './ask-signers.ts'
import { globExpression, resourceName } from './glob-expression.ts'
import { readTrustedRootParts } from './trusted-root-parts.ts'
import { exportFormats } from '../wire.ts'

type Document = Readonly<Record<string, unknown>>

const publicLog = 'https://rekor.sigstore.dev'
const actions = { enforce: 'Deny', warn: 'Warn', audit: 'Audit', off: 'Audit' } as const
const podImages =
  '(images.containers + images.?initContainers.orValue([]) + images.?ephemeralContainers.orValue([]))'

/** Kyverno: one ImageValidatingPolicy for each scope. */
export const kyverno: RuntimeExport = {
  name: 'kyverno',
  help: exportFormats.kyverno,
  write(trust, options) {
    const scopes = admissionScopes(trust, options, abilities)
    const documents = [
      ...scopes.map((scope, index) => policyDocument(trust.registry, scope, index + 1)),
      ...(options.others === 'reject' ? [onlyThisRegistry(trust.registry)] : []),
    ]
    return {
      files: [
        {
          path: 'kyverno/policies.yaml',
          content: documents.map((one) => stringify(one, { lineWidth: 0 })).join('---\n'),
        },
      ],
      notes: [
        options.others === 'reject'
          ? `images of other registries than ${trust.registry} are refused by a policy of their own`
          : 'LOOSER: images of other registries are not looked at, as asked by --others accept',
        'written for policies.kyverno.io/v1; where the cluster only knows v1beta1, name that: the fields are the same',
        'static pods, and whatever goes round the API server, are not looked at',
        'every policy that fits an image has to hold: what is asked of ** is asked of every prefix too',
        'Kyverno fetches the public Sigstore root when it starts, also for keys without a log',
        ...scopes.flatMap(({ notes }) => notes),
      ],
    }
  },
}

const abilities: AdmissionAbilities = {
  whyNot({ identity }, policy) {
    if (identity.kind === 'openpgp') return 'OpenPGP signatures are not read'
    if (identity.kind === 'notation') {
      if (!policy.formats.includes('notation')) return 'the format notation does not count here'
      return identity.subject === '*' ? undefined : 'the name in its certificate cannot be asked'
    }
    if (!policy.formats.includes('cosign-legacy')) return 'only the format cosign-legacy is sure to be read'
    const root = identity.trustedRoot === undefined ? undefined : readTrustedRootParts(identity.trustedRoot)
    if (policy.requireLog && (root?.logs.length ?? 0) === 0) return 'it has no trusted root with a log'
    if (identity.kind === 'key') return whyKeyCannotCount(identity.publicKey, policy)
    return (root?.authorities.length ?? 0) === 0 ? 'its root has no authority' : undefined
  },
  problemsOf: ({ maximumAgeDays, requireTimestamp }) => [
    ...(maximumAgeDays === undefined ? [] : ['the age of a signature cannot be asked']),
    ...(requireTimestamp ? ['a timestamp cannot be required'] : []),
  ],
}

function policyDocument(registry: string, scope: AdmissionScope, number: number): Document {
  const { repositories, policy, isRefused, asks } = scope
  const signers = [...new Map(asks.flatMap((ask) => [...ask.signers]).map((one) => [one.name, one])).values()]
  const claims = [...new Set(asks.map(({ clause }) => clause.claim))].filter(
    (claim) => claim !== signatureClaim,
  )
  const attestorOf = (signer: Signer): string => `signer${signers.indexOf(signer) + 1}`
  const term = (claim: string, signer: Signer): string =>
    claim === signatureClaim
      ? `verifyImageSignatures(image, [attestors.${attestorOf(signer)}]) > 0`
      : `verifyAttestationSignatures(image, attestations.claim${claims.indexOf(claim) + 1}, [attestors.${attestorOf(signer)}]) > 0`
  return policyResource(
    `pratique-${String(number).padStart(3, '0')}-${resourceName(repositories)}`,
    policy.mode,
    {
      matchImageReferences: globsOf(registry, repositories).map((glob) => ({ glob })),
      attestors: signers.map((signer) => ({ name: attestorOf(signer), ...attestor(signer, policy) })),
      ...(claims.length > 0
        ? { attestations: claims.map((type, index) => ({ name: `claim${index + 1}`, intoto: { type } })) }
        : {}),
      validations: isRefused
        ? [{ expression: 'false', message: 'the policy asks what cannot be asked here' }]
        : asks.map(({ clause, signers: group }) => ({
            // An error of one signer does not matter when another one holds: that is how || works in CEL.
            expression: `${podImages}.map(image, ${group.map((one) => term(clause.claim, one)).join(' || ')}).all(held, held)`,
            message: `clause ${clause.name} of ${clause.level} does not hold`,
          })),
    },
  )
}

function policyResource(name: string, mode: SignaturePolicy['mode'], spec: Document): Document {
  return {
    apiVersion: 'policies.kyverno.io/v1',
    kind: 'ImageValidatingPolicy',
    metadata: { name: name.replace(/-$/, '') },
    spec: {
      failurePolicy: 'Fail',
      validationActions: [actions[mode]],
      matchConstraints: {
        resourceRules: [
          {
            apiGroups: [''],
            apiVersions: ['v1'],
            operations: ['CREATE', 'UPDATE'],
            resources: ['pods', 'pods/ephemeralcontainers'],
          },
        ],
      },
      ...spec,
    },
  }
}

/** No signature makes up for coming from elsewhere. Written over the pod, as only matching images are extracted. */
function onlyThisRegistry(registry: string): Document {
  const prefix = JSON.stringify(`${registry}/`)
  const all = ['containers', 'initContainers', 'ephemeralContainers']
  const expression = all
    .map((list) => `object.spec.?${list}.orValue([]).all(one, one.image.startsWith(${prefix}))`)
    .join(' && ')
  return {
    apiVersion: 'policies.kyverno.io/v1',
    kind: 'ValidatingPolicy',
    metadata: { name: 'pratique-only-this-registry' },
    spec: {
      failurePolicy: 'Fail',
      validationActions: ['Deny'],
      matchConstraints: {
        resourceRules: [
          {
            apiGroups: [''],
            apiVersions: ['v1'],
            operations: ['CREATE', 'UPDATE'],
            resources: ['pods', 'pods/ephemeralcontainers'],
          },
        ],
      },
      validations: [{ expression, message: `only images of ${registry} are allowed` }],
    },
  }
}

/** Here `*` stands for any characters, also for slashes. */
function globsOf(registry: string, repositories: string): string[] {
  const glob = `${registry}/${repositories.replaceAll('**', '*')}`
  return glob.endsWith('*') ? [glob] : [`${glob}:*`, `${glob}@*`]
}

function attestor({ identity }: Signer, policy: SignaturePolicy): Document {
  if (identity.kind === 'notation') {
    const tsaCerts = identity.timestampAuthorities.join('\n')
    return {
      notary: {
        certs: { value: identity.authorities.join('\n') },
        ...(tsaCerts === '' ? {} : { tsaCerts: { value: tsaCerts } }),
      },
    }
  }
  if (identity.kind === 'key') {
    const cosign = { key: { data: identity.publicKey, hashAlgorithm: 'sha256' } }
    return { cosign: { ...cosign, ctlog: logOf(identity.trustedRoot, policy.requireLog, true) } }
  }
  if (identity.kind !== 'certificate') return {}
  const { subject, match, issuer, withoutLog = false, withoutSct = false, trustedRoot } = identity
  const roots = readTrustedRootParts(trustedRoot).authorities.flatMap(({ chain }) => [...chain])
  return {
    cosign: {
      keyless: {
        identities: [
          {
            ...(issuer === undefined ? { issuerRegExp: '.*' } : { issuer }),
            ...(match === 'exact' ? { subject } : { subjectRegExp: globExpression(subject) }),
          },
        ],
        roots: roots.join(''),
      },
      ctlog: logOf(trustedRoot, policy.requireLog || !withoutLog, withoutSct),
    },
  }
}

/** A URL has to be there even when the log is not asked. */
function logOf(trustedRoot: string | undefined, isLogAsked: boolean, isSctIgnored: boolean): Document {
  const parts = trustedRoot === undefined ? undefined : readTrustedRootParts(trustedRoot)
  const [log, ctLog, tsa] = [parts?.logs[0], parts?.certificateLogs[0], parts?.timestampAuthorities[0]]
  return {
    url: log?.baseUrl || publicLog,
    ...(isLogAsked ? {} : { insecureIgnoreTlog: true }),
    ...(isSctIgnored ? { insecureIgnoreSCT: true } : {}),
    ...(log ? { rekorPubKey: log.publicKey } : {}),
    ...(ctLog ? { ctLogPubKey: ctLog.publicKey } : {}),
    ...(tsa ? { tsaCertChain: tsa.chain.join('') } : {}),
  }
}
