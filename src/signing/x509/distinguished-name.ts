import { SigningFailure } from '../failures.ts'

/** One attribute of a name: its type as an OID, and its value. */
export interface NameAttribute {
  readonly oid: string
  readonly value: string
}

/** RFC 4519 and RFC 4514 section 3, with what openssl and Go call them. */
const types: Readonly<Record<string, string>> = {
  C: '2.5.4.6',
  ST: '2.5.4.8',
  L: '2.5.4.7',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  CN: '2.5.4.3',
  STREET: '2.5.4.9',
  POSTALCODE: '2.5.4.17',
  SERIALNUMBER: '2.5.4.5',
  DC: '0.9.2342.19200300.100.1.25',
  UID: '0.9.2342.19200300.100.1.1',
}
const typeOf = new Map(Object.entries(types).map(([type, oid]) => [oid, type]))
/** Trust policy specification, "Trusted Identities Constraints". */
const required = ['C', 'ST', 'O']
const maximumLength = 2048
/** Told apart by RFC 4514 section 2.4; what can stand for something else has to be escaped. */
const special = /[,;+"<>\\]/

/**
 * Parses the name that a signer's certificates must carry, as `C=DE, ST=Hamburg, O=acme, CN=release`. Gives the value
 * of each type, types in capitals. Throws SIGNER_INVALID.
 */
export function parseSubject(text: string): ReadonlyMap<string, string> {
  if (text.length > maximumLength) throw invalid(text, `it has more than ${maximumLength} characters`)
  const attributes = new Map<string, string>()
  for (const part of splitUnescaped(text)) {
    const { type, value } = parseAttribute(text, part)
    if (attributes.has(type)) throw invalid(text, `${type} stands in it twice`)
    attributes.set(type, value)
  }
  const missing = required.filter((type) => !attributes.has(type))
  if (missing.length > 0) throw invalid(text, `${missing.join(', ')} is missing`)
  return attributes
}

function invalid(text: string, why: string): SigningFailure {
  return new SigningFailure(
    'SIGNER_INVALID',
    `the subject ${JSON.stringify(text.slice(0, 200))} is no distinguished name: ${why}; write it as C=…, ST=…, O=…, CN=…, with a backslash before , ; + " < > and \\ in values, or * for any`,
  )
}

/** At commas that no backslash stands before. */
function splitUnescaped(text: string): string[] {
  const parts = ['']
  for (let index = 0; index < text.length; index++) {
    const character = text[index] as string
    if (character === ',') parts.push('')
    else if (character === '\\') parts[parts.length - 1] += character + (text[++index] ?? '')
    else parts[parts.length - 1] += character
  }
  return parts
}

function parseAttribute(text: string, part: string): { readonly type: string; readonly value: string } {
  const equals = part.indexOf('=')
  if (equals < 0) throw invalid(text, `"${part.trim()}" has no "="`)
  const written = part.slice(0, equals).trim().toUpperCase()
  const type = written === 'S' ? 'ST' : written
  if (!Object.hasOwn(types, type)) {
    throw invalid(text, `the type "${written}" is not one of ${Object.keys(types).join(', ')}`)
  }
  const value = unescape(text, part.slice(equals + 1))
  if (value === '') throw invalid(text, `${type} has no value`)
  return { type, value }
}

/** Takes escapes away; spaces around a value do not belong to it unless they are escaped. */
function unescape(text: string, raw: string): string {
  const tokens = [...raw.matchAll(/\\([0-9A-Fa-f]{2})|\\([ ,;+"<>#=\\])|([^\\])/gsu)]
  if (tokens.map(([token]) => token).join('') !== raw)
    throw invalid(text, `"${raw.trim()}" ends in a backslash, or escapes what needs none`)
  const isBlank = ([token]: readonly string[]): boolean => token === ' '
  while (tokens[0] && isBlank(tokens[0])) tokens.shift()
  for (let last = tokens.at(-1); last && isBlank(last); last = tokens.at(-1)) tokens.pop()
  if (tokens[0]?.[0] === '#') throw invalid(text, 'a value in hexadecimal is not understood')
  const bytes = tokens.map(([, hex, escaped, plain = '']) => {
    if (special.test(plain)) throw invalid(text, `"${plain}" has to be escaped`)
    return hex === undefined ? Buffer.from(escaped ?? plain) : Buffer.from(hex, 'hex')
  })
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(bytes))
  } catch {
    throw invalid(text, 'its escapes are not UTF-8')
  }
}

/** All values that a certificate's name has of each type that is known. */
export function attributesOf(name: readonly NameAttribute[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const { oid, value } of name) {
    const type = typeOf.get(oid)
    if (type !== undefined) found.set(type, [...(found.get(type) ?? []), value])
  }
  return found
}

/** Whether a certificate's name has every wanted attribute, exactly and once: a second value would make it two names. */
export function hasAttributes(name: readonly NameAttribute[], wanted: ReadonlyMap<string, string>): boolean {
  const found = attributesOf(name)
  return [...wanted].every(([type, value]) => {
    const values = found.get(type) ?? []
    return values.length === 1 && values[0] === value
  })
}

/** A name in the form that `parseSubject` reads; types that it does not know stand there as OIDs. */
export function formatSubject(name: readonly NameAttribute[]): string {
  return name.map(({ oid, value }) => `${typeOf.get(oid) ?? oid}=${escapeValue(value)}`).join(', ')
}

function escapeValue(value: string): string {
  return value
    .replaceAll(/[,;+"<>\\]|^[ #]| $/g, String.raw`\$&`)
    .replaceAll(/\p{Cc}/gu, (character) =>
      [...Buffer.from(character)].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join(''),
    )
}
