import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { Failure } from '../../kernel/failure.ts'
import { JsonError, parseStrictJsonBytes } from '../../kernel/json.ts'
import { readVexDocument } from '../vex/read-vex.ts'
import type { VexDocument } from '../vex/types.ts'
import { Envelope, openEnvelope, type VerifyMessage } from './verify-envelope.ts'

const inTotoPayload = 'application/vnd.in-toto+json'
/** in-toto predicate types that carry VEX: OpenVEX's own, CycloneDX's and CSAF's. */
const predicateTypes =
  /^https:\/\/openvex\.dev\/ns(\/v[\d.]+)?$|^https:\/\/cyclonedx\.org\/(bom|vex)|^text\/vex$/
const maximumBytes = 8 * 1024 * 1024

/** in-toto attestation, "Statement" of versions 0.1 and 1. */
const Statement = Type.Object({
  _type: Type.Union([
    Type.Literal('https://in-toto.io/Statement/v0.1'),
    Type.Literal('https://in-toto.io/Statement/v1'),
  ]),
  predicateType: Type.String(),
  subject: Type.Array(Type.Object({ digest: Type.Record(Type.String(), Type.String()) }), {
    maxItems: 10_000,
  }),
  predicate: Type.Unknown(),
})
/** A Sigstore bundle with an envelope in it; its certificates are not looked at, only our keys count. */
const Bundle = Type.Object({ dsseEnvelope: Envelope })

/** What came of an attestation. */
export type VexAttestation =
  | {
      readonly status: 'trusted'
      readonly signer: string
      /** Digests that the signer says it is about. */
      readonly subjects: readonly string[]
      readonly document: VexDocument
    }
  | { readonly status: 'untrusted' | 'malformed' | 'unrelated'; readonly why: string }

/**
 * Reads a VEX document out of a signed attestation. Nothing of it is believed, or even parsed, before one of
 * its signatures is that of somebody whom `verifyMessage` knows.
 */
export function readVexAttestation(bytes: Uint8Array, verifyMessage: VerifyMessage): VexAttestation {
  if (bytes.length > maximumBytes) return malformed(`it has ${bytes.length} bytes`)
  try {
    const outer = parseStrictJsonBytes(bytes)
    const envelope = Value.Check(Bundle, outer) ? outer.dsseEnvelope : outer
    if (!Value.Check(Envelope, envelope)) return malformed('it is no DSSE envelope')
    if (envelope.payloadType !== inTotoPayload) return unrelated(`its payload is ${envelope.payloadType}`)
    const opened = openEnvelope(envelope, verifyMessage)
    if (!opened) return { status: 'untrusted', why: 'no trusted VEX signer made its signatures' }
    return readStatement(parseStrictJsonBytes(opened.payload), opened.signer)
  } catch (error) {
    if (error instanceof JsonError || error instanceof Failure) return malformed(error.message)
    throw error
  }
}

function readStatement(statement: unknown, signer: string): VexAttestation {
  if (!Value.Check(Statement, statement)) return malformed('the payload is no in-toto statement')
  if (!predicateTypes.test(statement.predicateType)) {
    return unrelated(`its predicate is ${statement.predicateType.slice(0, 200)}`)
  }
  const subjects = statement.subject.flatMap(({ digest }) =>
    Object.entries(digest).map(([algorithm, hex]) => `${algorithm}:${hex}`),
  )
  return { status: 'trusted', signer, subjects, document: readVexDocument(statement.predicate) }
}

function malformed(why: string): VexAttestation {
  return { status: 'malformed', why }
}

function unrelated(why: string): VexAttestation {
  return { status: 'unrelated', why }
}
