/** Signatures without a server: the same verification on a node, in a build and in the registry. */
export * from './types.ts'
export { bundleOfDetached, readOldBundle, type DetachedSignature } from './blobs/detached-bundle.ts'
export { signatureTag, attestationTag } from './collect-attachments.ts'
export { signingFailures, SigningFailure } from './failures.ts'
export { remoteSource, sourceOf } from './remote-source.ts'
export { verifyImage } from './verify-image.ts'
export { trustedRootFromCertificates } from './trusted-roots/index.ts'
export { verifyBlobBundle } from './formats/sigstore-bundle/verify-blob-bundle.ts'
export { isSignedBy, parseVerificationKey } from './keys/verification-key.ts'
export { openPrivateKey, sealPrivateKey } from './keys/open-private-key.ts'
export { signBytesBy } from './sign/sign-content.ts'
export {
  attestImage,
  signatureForms,
  signImage,
  type SignatureForm,
  type SignedSubject,
  type SignRequest,
} from './sign/sign-image.ts'
export {
  commandSignatory,
  keylessSignatory,
  keySignatory,
  openWitnesses,
  type Signatory,
} from './sign/signatory.ts'
