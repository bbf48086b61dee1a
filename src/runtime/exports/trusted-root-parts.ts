/** What runtimes want of a Sigstore `trusted_root.json`, in PEM. */
export interface TrustedRootParts {
  /** By authority: from the leaf's issuer to the root. */
  readonly authorities: readonly { readonly uri?: string; readonly chain: readonly string[] }[]
  readonly logs: readonly LogParts[]
  readonly certificateLogs: readonly LogParts[]
  readonly timestampAuthorities: readonly { readonly uri?: string; readonly chain: readonly string[] }[]
}

export interface LogParts {
  readonly baseUrl: string
  readonly publicKey: string
}

interface Root {
  readonly certificateAuthorities?: readonly AuthorityEntry[]
  readonly timestampAuthorities?: readonly AuthorityEntry[]
  readonly tlogs?: readonly LogEntry[]
  readonly ctlogs?: readonly LogEntry[]
}
interface AuthorityEntry {
  readonly uri?: string
  readonly certChain: { readonly certificates: readonly { readonly rawBytes: string }[] }
}
interface LogEntry {
  readonly baseUrl?: string
  readonly publicKey: { readonly rawBytes: string }
}

/** Takes a root apart. It was checked when its signer was named. */
export function readTrustedRootParts(text: string): TrustedRootParts {
  const root = JSON.parse(text) as Root
  return {
    authorities: (root.certificateAuthorities ?? []).map(authorityParts),
    logs: (root.tlogs ?? []).map(logParts),
    certificateLogs: (root.ctlogs ?? []).map(logParts),
    timestampAuthorities: (root.timestampAuthorities ?? []).map(authorityParts),
  }
}

function authorityParts({ uri, certChain }: AuthorityEntry): TrustedRootParts['authorities'][number] {
  const chain = certChain.certificates.map(({ rawBytes }) => toPem('CERTIFICATE', rawBytes))
  return { ...(uri === undefined ? {} : { uri }), chain }
}

function logParts({ baseUrl = '', publicKey }: LogEntry): LogParts {
  return { baseUrl, publicKey: toPem('PUBLIC KEY', publicKey.rawBytes) }
}

function toPem(label: string, base64: string): string {
  const lines =
    Buffer.from(base64, 'base64')
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
