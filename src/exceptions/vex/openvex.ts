import { Type, type Static } from 'typebox'
import { Value } from 'typebox/value'
import { isDigest } from '../../kernel/digest.ts'
import { Collected, invalidVex, shorten, timeOf } from './limits.ts'
import { parsePurl } from './match-purl.ts'
import {
  justifications,
  vexStatuses,
  type VexDocument,
  type VexDocumentToWrite,
  type VexProduct,
  type VexStatement,
} from './types.ts'

export const openVexContext = 'https://openvex.dev/ns/v0.2.0'

const Text = Type.String({ maxLength: 100_000 })
const Hashes = Type.Record(Type.String(), Type.String({ maxLength: 200 }))
const componentFields = {
  '@id': Type.Optional(Text),
  identifiers: Type.Optional(Type.Record(Type.String(), Text)),
  hashes: Type.Optional(Hashes),
}
/** Documents of version 0.0.1 have plain texts where later ones have structs. */
const Subcomponent = Type.Union([Text, Type.Object(componentFields)])
const Product = Type.Union([
  Text,
  Type.Object({
    ...componentFields,
    subcomponents: Type.Optional(Type.Array(Subcomponent, { maxItems: 10_000 })),
  }),
])
const Statement = Type.Object({
  vulnerability: Type.Union([
    Text,
    Type.Object({
      name: Type.Optional(Text),
      aliases: Type.Optional(Type.Array(Text, { maxItems: 100 })),
    }),
  ]),
  timestamp: Type.Optional(Text),
  last_updated: Type.Optional(Text),
  products: Type.Optional(Type.Array(Product, { maxItems: 20_000 })),
  status: Type.Enum([...vexStatuses]),
  status_notes: Type.Optional(Text),
  justification: Type.Optional(Text),
  impact_statement: Type.Optional(Text),
  action_statement: Type.Optional(Text),
})
const Document = Type.Object({
  '@context': Text,
  '@id': Text,
  author: Text,
  timestamp: Text,
  last_updated: Type.Optional(Text),
  statements: Type.Array(Statement),
})
type Statement = Static<typeof Statement>

export function isOpenVex(document: Readonly<Record<string, unknown>>): boolean {
  return String(document['@context']).startsWith('https://openvex.dev/ns')
}

/** Reads OpenVEX 0.2.0 (and what 0.0.1 wrote otherwise). Throws VEX_INVALID. */
export function readOpenVex(document: unknown): VexDocument {
  if (!Value.Check(Document, document)) {
    const [first] = Value.Errors(Document, document)
    throw invalidVex(`${first?.instancePath || 'the document'} ${first?.message ?? 'has the wrong form'}`)
  }
  const collected = new Collected<VexStatement>()
  for (const [index, statement] of document.statements.entries()) {
    readStatement(document, statement, `statement ${index + 1}`, collected)
  }
  return {
    format: 'openvex',
    id: shorten(document['@id'], 500),
    author: shorten(document.author, 200),
    timestamp: timeOf(document.last_updated, document.timestamp),
    statements: collected.statements,
    skipped: collected.skipped,
  }
}

function readStatement(
  document: Static<typeof Document>,
  statement: Statement,
  what: string,
  collected: Collected<VexStatement>,
): void {
  const { vulnerability, status } = statement
  const name = typeof vulnerability === 'string' ? vulnerability : vulnerability.name
  if (!name || name.length > 100) return collected.skip(what, 'it names no vulnerability')
  const justification = justifications.find((one) => one === statement.justification)
  if (status === 'not_affected' && !justification && !statement.impact_statement) {
    return collected.skip(what, 'not_affected needs a justification or an impact statement')
  }
  const products = (statement.products ?? []).map(readProduct)
  const known = products.filter((product) => product !== undefined)
  if (products.length > 0 && known.length === 0) {
    return collected.skip(what, 'it names its products neither by package URL nor by digest')
  }
  collected.add({
    vulnerability: name,
    aliases: aliasesOf(vulnerability),
    status,
    ...(justification === undefined ? {} : { justification }),
    products: known,
    ...texts(statement),
    author: shorten(document.author, 200),
    timestamp: timeOf(statement.last_updated, statement.timestamp, document.last_updated, document.timestamp),
  })
}

function aliasesOf(vulnerability: Statement['vulnerability']): string[] {
  if (typeof vulnerability === 'string') return []
  return [...new Set(vulnerability.aliases)].filter((alias) => alias.length > 0 && alias.length <= 100)
}

function texts(statement: Statement): Pick<VexStatement, 'impactStatement' | 'actionStatement' | 'notes'> {
  const { impact_statement: impact, action_statement: action, status_notes: notes } = statement
  return {
    ...(impact ? { impactStatement: shorten(impact) } : {}),
    ...(action ? { actionStatement: shorten(action) } : {}),
    ...(notes ? { notes: shorten(notes) } : {}),
  }
}

/** A subcomponent that we cannot read narrows to nothing: dropping it would widen the statement. */
function readProduct(product: Static<typeof Product>): VexProduct | undefined {
  const id = idOf(product)
  if (id === undefined) return undefined
  const wanted = typeof product === 'string' ? [] : (product.subcomponents ?? [])
  const subcomponents = wanted.map(idOf).filter((one) => one !== undefined)
  return wanted.length > 0 && subcomponents.length === 0 ? undefined : { id, subcomponents }
}

/** An image is known by its hash where one is given, everything else by its package URL. */
function idOf(component: Static<typeof Subcomponent>): string | undefined {
  if (typeof component === 'string') return usable(component)
  const purl = usable(component.identifiers?.['purl']) ?? usable(component['@id'])
  const hash = component.hashes?.['sha-256']?.toLowerCase()
  const digest = hash === undefined ? undefined : usable(`sha256:${hash}`)
  return purl === undefined || parsePurl(purl)?.type === 'oci' ? (digest ?? purl) : purl
}

function usable(id: string | undefined): string | undefined {
  return id !== undefined && (isDigest(id) || parsePurl(id) !== undefined) ? id : undefined
}

/** Writes OpenVEX 0.2.0. Its schema takes a justification or an impact statement, never both. */
export function writeOpenVex(document: VexDocumentToWrite): object {
  return {
    '@context': openVexContext,
    '@id': `urn:uuid:${document.uuid}`,
    author: document.author,
    timestamp: new Date(document.timestamp).toISOString(),
    version: 1,
    tooling: 'Pratique',
    statements: document.statements.map(writeStatement),
  }
}

function writeStatement(statement: VexStatement): object {
  const { justification, impactStatement, status, actionStatement } = statement
  const why = justification === undefined ? { impact_statement: impactStatement ?? '' } : { justification }
  const notes = statement.notes ?? (justification === undefined ? undefined : impactStatement)
  return {
    vulnerability: {
      name: statement.vulnerability,
      ...(statement.aliases.length === 0 ? {} : { aliases: statement.aliases }),
    },
    timestamp: new Date(statement.timestamp).toISOString(),
    products: statement.products.map(writeProduct),
    status,
    ...(status === 'not_affected' ? why : {}),
    ...(status === 'affected' ? { action_statement: actionStatement ?? 'none known' } : {}),
    ...(notes === undefined ? {} : { status_notes: notes }),
  }
}

function writeProduct({ id, subcomponents }: VexProduct): object {
  const inside = subcomponents.map((purl) => ({ '@id': purl, identifiers: { purl } }))
  const product = isDigest(id)
    ? { hashes: { 'sha-256': id.slice(7) } }
    : { '@id': id, identifiers: { purl: id } }
  return { ...product, ...(inside.length === 0 ? {} : { subcomponents: inside }) }
}
