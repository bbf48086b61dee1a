/** Signatures without a server: the same verification on a node, in a build and in the registry. */
export * from './types.ts'
export { signatureTag, attestationTag } from './collect-attachments.ts'
export { signingFailures, SigningFailure } from './failures.ts'
export { verifyImage } from './verify-image.ts'
export { trustedRootFromCertificates } from './trusted-roots/index.ts'
export { verifyBlobBundle } from './formats/sigstore-bundle/verify-blob-bundle.ts'
