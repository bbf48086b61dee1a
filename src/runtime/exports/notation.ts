import type { SignaturePolicy } from '../../policy/offline.ts'
import { signatureClaim, type NotationIdentity, type Signer } from '../../signing/offline.ts'
import type { ExportOptions, ExportedFile, RuntimeExport, RuntimeScope, RuntimeTrust } from '../types.ts'
import { noteStates, signersOf } from './ask-signers.ts'
import { scopeName, toJson } from './containers/index.ts'
import { isRepositoryName } from './prefix-tree.ts'
import { exportFormats } from '../wire.ts'

/** Notary Project, "Trust Store and Trust Policy Specification": one statement. */
interface Statement {
  readonly name: string
  readonly registryScopes: readonly string[]
  readonly signatureVerification: { readonly level: 'strict' | 'audit' | 'skip' }
  readonly trustStores?: readonly string[]
  readonly trustedIdentities?: readonly string[]
}

type Asked = Omit<Statement, 'name' | 'registryScopes'>
interface Outcome {
  /** Undefined: every image is refused, as notation does without a statement. */
  readonly asked?: Asked
  readonly stores: readonly Signer[]
  readonly notes: readonly string[]
}

/** Notation knows single repositories and everything, and one signer for each. */
export const notation: RuntimeExport = {
  name: 'notation',
  help: exportFormats.notation,
  write(trust, options) {
    const all = trust.scopes
      .filter(({ namespace, isStageName }) => namespace === undefined && !isStageName)
      .map((scope) => ({ scope, ...askScope(trust, options, scope) }))
    const statements: Statement[] = all
      .filter(({ scope }) => isRepositoryName(scope.repositories))
      .flatMap(({ scope, asked }, index) =>
        asked
          ? [
              {
                name: `repository-${index + 1}`,
                registryScopes: [scopeName(trust.registry, scope.repositories)],
                ...asked,
              },
            ]
          : [],
      )
    const rest = all.filter(({ scope }) => !isRepositoryName(scope.repositories))
    const isSame = new Set(rest.map(({ asked }) => JSON.stringify(asked ?? null))).size === 1
    const isRefused = all.some(({ asked }) => !asked)
    const wide = isSame && !isRefused ? rest[0]?.asked : undefined
    const stores = [
      ...new Map(all.flatMap((one) => one.stores).map((signer) => [signer.name, signer])).values(),
    ]
    return {
      files: [
        {
          path: 'notation/trustpolicy.json',
          content: toJson({
            version: '1.0',
            trustPolicies: [
              ...statements,
              ...(wide ? [{ name: 'others', registryScopes: ['*'], ...wide }] : []),
            ],
          }),
        },
        ...stores.flatMap(storeFiles),
      ],
      notes: [
        'put the folder notation into the configuration folder of whoever verifies (~/.config)',
        ...(wide
          ? [
              `what is said for all repositories holds for images of other registries than ${trust.registry} too`,
            ]
          : [
              'notation knows no prefixes: repositories without a statement are refused; --repositories NAME exports one repository',
            ]),
        ...new Set(all.flatMap(({ notes }) => notes)),
      ],
    }
  },
}

function askScope(
  trust: RuntimeTrust,
  options: ExportOptions,
  { repositories, signatures }: RuntimeScope,
): Outcome {
  if (!signatures || signatures.mode === 'off' || signatures.clauses.length === 0) {
    return { asked: { signatureVerification: { level: 'skip' } }, stores: [], notes: [] }
  }
  const problems = findProblems(signatures)
  const { signers, notes } = pickSigners(trust, signatures)
  const [first] = signers
  if (!first) problems.push('no signer is left that can be asked')
  const isRefused = problems.length > 0 && (options.unexpressible === 'reject' || !first)
  const told = problems.map((what) =>
    isRefused ? `${what}: every image is refused` : `LOOSER: ${what}, and is left out`,
  )
  const all = [...notes, ...told].map((text) => `${repositories}: ${text}`)
  if (isRefused || !first) return { stores: [], notes: all }
  const identity = first.identity as NotationIdentity
  const asked: Asked = {
    signatureVerification: { level: signatures.mode === 'enforce' ? 'strict' : 'audit' },
    trustStores: [
      `ca:${first.name}`,
      ...(identity.timestampAuthorities.length > 0 ? [`tsa:${first.name}`] : []),
    ],
    trustedIdentities: identitiesOf(signers),
  }
  return { asked, stores: [first], notes: all }
}

function findProblems({ clauses, ...policy }: SignaturePolicy): string[] {
  return [
    ...(clauses.length > 1 ? [`all of ${clauses.length} clauses together cannot be asked`] : []),
    ...clauses
      .filter(({ claim }) => claim !== signatureClaim)
      .map(({ claim }) => `attestations (${claim}) cannot be asked`),
    ...clauses
      .filter(({ threshold }) => threshold > 1)
      .map(({ name }) => `clause ${name}: more than one signer cannot be asked`),
    ...(policy.formats.includes('notation')
      ? []
      : ['only the format notation is read, which does not count here']),
    ...(policy.bindReference === 'repository' || policy.bindReference === 'tag'
      ? ['signatures of this form name no repository, so they cannot be bound to one']
      : []),
    ...(policy.requireTimestamp ? ['a timestamp cannot be required'] : []),
    ...(policy.requireLog ? ['there is no log'] : []),
    ...(policy.maximumAgeDays === undefined ? [] : ['the age of a signature cannot be asked']),
  ]
}

/** Signers that share their authorities: trust stores and names of a statement hold in every combination. */
function pickSigners(
  { signers, issuedAt }: RuntimeTrust,
  { clauses }: SignaturePolicy,
): { readonly signers: readonly Signer[]; readonly notes: readonly string[] } {
  const clause = clauses.find(({ claim }) => claim === signatureClaim)
  if (!clause) return { signers: [], notes: [] }
  const usable = clause.signers.flatMap((name) => signersOf(name, signers, issuedAt))
  const asked = usable.filter(
    ({ identity }) => identity.kind === 'notation' && isKnownSubject(identity.subject),
  )
  const same = asked.filter(({ identity }) => authoritiesOf(identity) === authoritiesOf(asked[0]?.identity))
  const leftOut = usable.filter((signer) => !same.includes(signer)).map(({ name }) => name)
  return {
    signers: same,
    notes: [
      ...(leftOut.length > 0
        ? [
            `clause ${clause.name}: does not count: ${leftOut.join(', ')} (no Notary Project signer, another authority, or a name without C, ST and O)`,
          ]
        : []),
      ...noteStates(clause.signers, signers, issuedAt),
    ],
  }
}

/** Specification, "Trusted identities constraints": a name has at least a country, a state and an organisation. */
function isKnownSubject(subject: string): boolean {
  return (
    subject === '*' || ['C', 'ST|S', 'O'].every((name) => new RegExp(`(^|,)\\s*(${name})\\s*=`).test(subject))
  )
}

function authoritiesOf(identity: Signer['identity'] | undefined): string {
  return identity?.kind === 'notation'
    ? JSON.stringify([identity.authorities, identity.timestampAuthorities])
    : ''
}

function identitiesOf(signers: readonly Signer[]): string[] {
  const subjects = signers.map(({ identity }) => (identity as NotationIdentity).subject)
  return subjects.includes('*') ? ['*'] : subjects.map((subject) => `x509.subject: ${subject}`)
}

function storeFiles({ name, identity }: Signer): ExportedFile[] {
  if (identity.kind !== 'notation') return []
  const files = (type: string, certificates: readonly string[]): ExportedFile[] =>
    certificates.map((content, index) => ({
      path: `notation/truststore/x509/${type}/${name}/${index + 1}.pem`,
      content,
    }))
  return [...files('ca', identity.authorities), ...files('tsa', identity.timestampAuthorities)]
}
