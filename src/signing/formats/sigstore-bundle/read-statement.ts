import { Type, type Static } from 'typebox'
import { Value } from 'typebox/value'
import { JsonError, parseStrictJsonBytes } from '../../../kernel/json.ts'
import { algorithmOf, hexOf, type Digest } from '../../../kernel/digest.ts'
import { signatureClaim } from '../../types.ts'
import { malformed, Refusal } from './refusal.ts'

/** The predicate type of cosign's plain signatures in the form of statements. */
export const signPredicateType = 'https://sigstore.dev/cosign/sign/v1'

/** in-toto attestation framework, "Statement" v0.1 and v1; members that are not known are ignored, as it says. */
const Statement = Type.Object({
  _type: Type.Enum(['https://in-toto.io/Statement/v0.1', 'https://in-toto.io/Statement/v1']),
  subject: Type.Array(
    Type.Object({
      name: Type.Optional(Type.String()),
      digest: Type.Optional(Type.Record(Type.String(), Type.String())),
    }),
    { minItems: 1, maxItems: 4096 },
  ),
  predicateType: Type.String({ minLength: 1, maxLength: 1024 }),
  predicate: Type.Optional(Type.Unknown()),
})

/** What a statement says of the thing that is asked about. */
export interface Said {
  readonly claim: string
  readonly predicate?: unknown
  readonly reference?: string
}

/** A statement that is refused, although what it claims is known. */
export class StatementRefusal extends Refusal {
  readonly claim: string

  constructor(why: string, claim: string) {
    super('malformed', why)
    this.claim = claim
  }
}

/**
 * Reads a statement and checks that it is about one of these digests of the same content (SHA-256 or SHA-512, by
 * name and value; weaker ones do not count). Throws `Refusal`.
 */
export function readStatement(payload: Uint8Array, digests: readonly Digest[]): Said {
  const { subject: subjects, predicateType, predicate } = parseStatement(payload)
  const claim = predicateType === signPredicateType ? signatureClaim : predicateType
  const ours = subjects.filter(({ digest }) => digest && digests.some((wanted) => isAbout(digest, wanted)))
  if (ours.length === 0) throw new StatementRefusal('the statement is about something else', claim)
  const name = ours.length === 1 ? ours[0]?.name : undefined
  const reference = name !== undefined && isImageReference(name) ? { reference: name } : {}
  if (claim !== signatureClaim) return { claim, predicate, ...reference }
  // cosign 3.0 left the predicate out; anything in it would be a condition that we do not know.
  if (predicate !== undefined && !isEmptyObject(predicate)) {
    throw new StatementRefusal('a signature has no predicate, but this one has', claim)
  }
  return { claim, ...reference }
}

function parseStatement(payload: Uint8Array): Static<typeof Statement> {
  let document: unknown
  try {
    document = parseStrictJsonBytes(payload)
  } catch (error) {
    if (error instanceof JsonError) throw malformed(`the statement is ${error.message}`)
    throw error
  }
  if (!Value.Check(Statement, document)) throw malformed('the payload is no in-toto statement')
  return document
}

function isAbout(digest: Readonly<Record<string, string>>, wanted: Digest): boolean {
  const algorithm = algorithmOf(wanted)
  return Object.hasOwn(digest, algorithm) && digest[algorithm] === hexOf(wanted)
}

function isEmptyObject(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0
  )
}

const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const host =
  '(?:localhost|(?:[A-Za-z0-9-]+\\.)+[A-Za-z0-9-]+|\\[[0-9a-fA-F:]+\\]|[A-Za-z0-9-]+(?=:))(?::[0-9]{1,5})?'
const imageReference = new RegExp(`^${host}(?:/${component})+(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?$`)

/** `host/repository[:tag]`: a first part that can be a registry, as clients tell it from a name on Docker Hub. */
function isImageReference(name: string): boolean {
  return name.length <= 512 && imageReference.test(name)
}
