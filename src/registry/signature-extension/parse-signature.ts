import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { Digest } from '../../kernel/digest.ts'
import { JsonError, parseStrictJsonBytes } from '../../kernel/json.ts'
import { RegistryFailure } from '../failures.ts'

/** Largest signature, in bytes. Real ones have less than one thousand. */
export const maximumSignatureBytes = 64 * 1024
/** As base64, with a name and a type around it. */
export const maximumBodyBytes = Math.ceil((maximumSignatureBytes * 4) / 3) + 4096

/** What containers/image sends; OpenShift's manual calls the version `version`. */
const SignatureBody = Type.Object(
  {
    schemaVersion: Type.Optional(Type.Literal(2)),
    version: Type.Optional(Type.Literal(2)),
    name: Type.String({ maxLength: 300 }),
    type: Type.Literal('atomic'),
    content: Type.String({ minLength: 1, pattern: '^[A-Za-z0-9+/]+={0,2}$' }),
  },
  { additionalProperties: false },
)

/** Reads a signature of the image with this digest, as a client sends it. Throws SIGNATURE_INVALID. */
export function parseSignature(body: Uint8Array, digest: Digest): Buffer {
  const document = parseBody(body)
  if (!Value.Check(SignatureBody, document)) throw invalid(describeFault(document))
  const { schemaVersion, version, name, content } = document
  if ((schemaVersion ?? version) === undefined) throw invalid('it has to say "schemaVersion": 2')
  if (!name.startsWith(`${digest}@`)) {
    throw invalid(
      `its name is ${JSON.stringify(name.slice(0, 160))}, and has to be ${digest}@ and 32 hexadecimal digits`,
    )
  }
  const bytes = Buffer.from(content, 'base64')
  if (bytes.toString('base64') !== content) throw invalid('its content is not base64 in full')
  if (bytes.length > maximumSignatureBytes) throw tooLarge()
  // Each OpenPGP packet begins with this bit (RFC 9580, section 4.2); ASCII armor and everything else does not.
  if ((bytes[0]! & 0x80) === 0) {
    throw invalid('its content is no binary OpenPGP message; sign with "skopeo copy --sign-by"')
  }
  return bytes
}

function parseBody(body: Uint8Array): unknown {
  try {
    return parseStrictJsonBytes(body, 4)
  } catch (error) {
    if (error instanceof JsonError) throw invalid(error.message)
    throw error
  }
}

function describeFault(document: unknown): string {
  const [error] = Value.Errors(SignatureBody, document)
  const why = error?.keyword === 'boolean' ? 'is not a member that is known' : error?.message
  return `${error?.instancePath || 'the body'} ${why ?? 'has another form'}`
}

export function tooLarge(): RegistryFailure {
  return invalid(`it has more than ${maximumSignatureBytes} bytes; sign again without additions`)
}

function invalid(why: string): RegistryFailure {
  return new RegistryFailure('SIGNATURE_INVALID', `the signature is not valid: ${why}`)
}
