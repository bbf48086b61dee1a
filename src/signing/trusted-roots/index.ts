/** Sigstore trusted roots: what they hold, and how one is made of the certificates of a PKI of one's own. */
export { parseTrustedRoot, type Authority, type TrustedRoot } from './parse-trusted-root.ts'
export { trustedRootFromCertificates, type TrustedRootParts } from './trusted-root-from-certificates.ts'
