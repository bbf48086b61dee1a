/** Signatures of images, and whether keys that the administrator names made them. */
export { signingFailures, SigningFailure } from './failures.ts'
export { getServerKey, type ServerKey } from './server-key.ts'
export { bundleMediaType, signStatement, type Statement } from './sign-statement.ts'
export { signingRoutes, type SigningParts } from './routes.ts'
export type { SignatureEvidence, SignatureReport } from './types.ts'
export { signatureTag, subjectOfSignatureTag, verifySignatures } from './verify-signatures.ts'
