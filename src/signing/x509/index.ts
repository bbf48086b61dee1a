/** X.509 as the Notary Project asks for it: chains to a trust store, and names of subjects. */
export { attributesOf, formatSubject, hasAttributes, parseSubject } from './distinguished-name.ts'
export { CertificateError } from './certificate-error.ts'
export { hashOfSignature, rsaPss, sha2 } from './hashes.ts'
export { readCertificate, type Certificate } from './read-certificate.ts'
export { maximumChainLength, verifyChain, type ChainQuestion } from './verify-chain.ts'
