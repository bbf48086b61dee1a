/** Notary Project signatures, in JWS and in COSE. */
export { notation, notationArtifactType } from './notation.ts'
export { signNotation, type NotationOrder } from './sign-notation.ts'
