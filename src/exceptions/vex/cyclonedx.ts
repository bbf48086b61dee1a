import { Type, type Static } from 'typebox'
import { Value } from 'typebox/value'
import { Collected, invalidVex, shorten, timeOf } from './limits.ts'
import { parsePurl } from './match-purl.ts'
import type { VexDocument, VexProduct, VexStatement } from './types.ts'
import { justificationOfCycloneDx, statusOfState } from './words.ts'

const Text = Type.String({ maxLength: 100_000 })
const Named = Type.Object({ name: Type.Optional(Text) })
const Component = Type.Object({
  'bom-ref': Type.Optional(Text),
  name: Type.Optional(Text),
  purl: Type.Optional(Text),
  components: Type.Optional(Type.Array(Type.Unknown())),
})
const Analysis = Type.Object({
  state: Type.Optional(Text),
  justification: Type.Optional(Text),
  detail: Type.Optional(Text),
  firstIssued: Type.Optional(Text),
  lastUpdated: Type.Optional(Text),
})
const Affects = Type.Object({
  ref: Text,
  versions: Type.Optional(
    Type.Array(Type.Object({ version: Type.Optional(Text), range: Type.Optional(Text) }), {
      maxItems: 1_000,
    }),
  ),
})
const Vulnerability = Type.Object({
  id: Type.Optional(Text),
  references: Type.Optional(Type.Array(Type.Object({ id: Text }), { maxItems: 100 })),
  recommendation: Type.Optional(Text),
  updated: Type.Optional(Text),
  analysis: Type.Optional(Analysis),
  affects: Type.Optional(Type.Array(Affects, { maxItems: 20_000 })),
})
const Document = Type.Object({
  bomFormat: Type.Literal('CycloneDX'),
  serialNumber: Type.Optional(Text),
  metadata: Type.Optional(
    Type.Object({
      timestamp: Type.Optional(Text),
      authors: Type.Optional(Type.Array(Named)),
      manufacturer: Type.Optional(Named),
      supplier: Type.Optional(Named),
      component: Type.Optional(Component),
    }),
  ),
  components: Type.Optional(Type.Array(Type.Unknown())),
  vulnerabilities: Type.Optional(Type.Array(Vulnerability)),
})
type Document = Static<typeof Document>
type Component = Static<typeof Component>

export function isCycloneDx(document: Readonly<Record<string, unknown>>): boolean {
  return document['bomFormat'] === 'CycloneDX'
}

/** Reads the vulnerabilities of a CycloneDX 1.4 to 1.6 document that carry an analysis. Throws VEX_INVALID. */
export function readCycloneDxVex(document: unknown): VexDocument {
  if (!Value.Check(Document, document)) {
    const [first] = Value.Errors(Document, document)
    throw invalidVex(`${first?.instancePath || 'the document'} ${first?.message ?? 'has the wrong form'}`)
  }
  const { metadata = {} } = document
  const named = [...(metadata.authors ?? []), metadata.manufacturer, metadata.supplier]
  const author = shorten(named.find((one) => one?.name)?.name ?? 'unknown', 200)
  const products = productsByRef(document)
  const collected = new Collected<VexStatement>()
  for (const [index, vulnerability] of (document.vulnerabilities ?? []).entries()) {
    readVulnerability(vulnerability, index, { author, metadata, products, collected })
  }
  return {
    format: 'cyclonedx',
    id: shorten(document.serialNumber ?? '', 500),
    author,
    timestamp: timeOf(metadata.timestamp, '1970-01-01'),
    statements: collected.statements,
    skipped: collected.skipped,
  }
}

interface Reading {
  readonly author: string
  readonly metadata: NonNullable<Document['metadata']>
  readonly products: ReadonlyMap<string, VexProduct>
  readonly collected: Collected<VexStatement>
}

function readVulnerability(
  vulnerability: Static<typeof Vulnerability>,
  index: number,
  { author, metadata, products, collected }: Reading,
): void {
  const { id, analysis = {}, affects = [] } = vulnerability
  const what = id ?? `vulnerability ${index + 1}`
  const status = Object.hasOwn(statusOfState, analysis.state ?? '')
    ? statusOfState[analysis.state as string]
    : undefined
  if (!id || id.length > 100) return collected.skip(what, 'it has no id')
  if (!status) return collected.skip(what, 'it has no analysis')
  const known = affects.flatMap((affected) => resolveAffected(affected, products))
  if (known.length === 0) return collected.skip(what, 'what it affects is not known by a package URL')
  const { justification: word = '', detail } = analysis
  const justification = Object.hasOwn(justificationOfCycloneDx, word)
    ? justificationOfCycloneDx[word]
    : undefined
  if (status === 'not_affected' && !justification && !detail) {
    return collected.skip(what, 'not_affected needs a justification or a detail')
  }
  const aliases = (vulnerability.references ?? []).map((reference) => reference.id)
  collected.add({
    vulnerability: id,
    aliases: [...new Set(aliases)].filter((alias) => alias.length <= 100 && alias !== id),
    status,
    ...(justification === undefined ? {} : { justification }),
    products: known,
    ...(detail ? { [status === 'not_affected' ? 'impactStatement' : 'notes']: shorten(detail) } : {}),
    ...(vulnerability.recommendation ? { actionStatement: shorten(vulnerability.recommendation) } : {}),
    author,
    timestamp: timeOf(
      analysis.lastUpdated,
      analysis.firstIssued,
      vulnerability.updated,
      metadata.timestamp,
      '1970-01-01',
    ),
  })
}

/**
 * What each `bom-ref` stands for. A component inside the product that the document is about is a part of that
 * product and not the same component anywhere else.
 */
function productsByRef({ metadata, components = [] }: Document): Map<string, VexProduct> {
  const products = new Map<string, VexProduct>()
  const about = metadata?.component
  const whole = about?.purl !== undefined && parsePurl(about.purl) ? about.purl : undefined
  if (about?.['bom-ref'] !== undefined && whole !== undefined) {
    products.set(about['bom-ref'], { id: whole, subcomponents: [] })
  }
  const open: { component: unknown; within: string | undefined }[] = [
    ...(about?.components ?? []),
    ...components,
  ].map((component) => ({ component, within: whole }))
  for (let next = open.pop(); next; next = open.pop()) {
    const { component, within } = next
    if (!Value.Check(Component, component)) continue
    const { 'bom-ref': ref, purl, components: inner = [] } = component
    const isKnown = purl !== undefined && parsePurl(purl) !== undefined
    if (isKnown && ref !== undefined) products.set(ref, productOf(purl, within))
    const inside = isKnown && parsePurl(purl)?.type === 'oci' ? purl : within
    open.push(...inner.map((one) => ({ component: one, within: inside })))
  }
  return products
}

function productOf(purl: string, within: string | undefined): VexProduct {
  if (within === undefined || parsePurl(purl)?.type === 'oci') return { id: purl, subcomponents: [] }
  return { id: within, subcomponents: [purl] }
}

/** CycloneDX 1.6, `affects`: a `bom-ref` of this document, or a BOM-Link whose fragment is one of another's. */
function resolveAffected(
  { ref, versions = [] }: Static<typeof Affects>,
  products: ReadonlyMap<string, VexProduct>,
): VexProduct[] {
  const fragment = ref.startsWith('urn:cdx:') ? decode(ref.slice(ref.indexOf('#') + 1)) : ref
  const product =
    products.get(ref) ??
    products.get(fragment) ??
    (parsePurl(fragment) ? { id: fragment, subcomponents: [] } : undefined)
  if (!product) return []
  if (versions.length === 0) return [product]
  // A range would have to be evaluated in the order of the package's own kind; unread it matches nothing.
  return versions
    .filter(({ version, range }) => version !== undefined && range === undefined)
    .flatMap(({ version }) => withVersion(product, version as string))
}

function withVersion({ id, subcomponents }: VexProduct, version: string): VexProduct[] {
  const target = parsePurl(subcomponents[0] ?? id)
  if (!target || (target.version !== undefined && target.version !== version)) return []
  const versioned = Object.assign(Object.create(Object.getPrototypeOf(target) as object), target, { version })
  const purl = String(versioned)
  return [subcomponents.length === 0 ? { id: purl, subcomponents } : { id, subcomponents: [purl] }]
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
