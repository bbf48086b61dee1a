import type { SignatureFormat } from '../types.ts'
import { cosignLegacy } from './cosign-legacy/index.ts'
import { notation } from './notation/index.ts'
import { openpgp } from './openpgp/index.ts'
import { sigstoreBundle } from './sigstore-bundle/index.ts'

/** Every form in which a signature can hang on an image. */
export const signatureFormats: readonly SignatureFormat[] = [cosignLegacy, sigstoreBundle, notation, openpgp]
