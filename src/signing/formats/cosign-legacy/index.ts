/** Signatures and attestations as cosign wrote them before bundles, and as skopeo, Podman and CRI-O read them. */
export { cosignLegacy } from './cosign-legacy.ts'
