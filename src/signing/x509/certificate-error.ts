/** Why a certificate, or a chain of them, is not believed. */
export class CertificateError extends Error {}
