/** Sigstore bundles: on images, and beside files. */
export { sigstoreBundle } from './sigstore-bundle.ts'
export { maximumBlobBundleBytes, verifyBlobBundle, type SignedBlob } from './verify-blob-bundle.ts'
